"""ecoia: what AI services cost the environment, quarter after quarter, with proof."""

__version__ = "0.1.0"
