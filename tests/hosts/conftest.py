"""Tests with the real libraries that train, which only .venv-hosts has: ``tests/integrations/test_hosts.py`` starts them."""

from __future__ import annotations

import os
from importlib.util import find_spec

os.environ["KERAS_BACKEND"] = "torch"
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"

collect_ignore_glob = [] if find_spec("torch") else ["*"]
