"""Tests with real libraries that only .venv-hosts has; ``test_training_frameworks.py`` and ``test_clusters.py`` of
``tests/integrations`` start them.
"""

from __future__ import annotations

import os
from importlib.util import find_spec

if find_spec("torch") is None:
    collect_ignore_glob = ["*"]
else:
    os.environ["KERAS_BACKEND"] = "torch"
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["HF_HUB_OFFLINE"] = "1"
