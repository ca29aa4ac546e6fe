"""Causes of loss: why something of a measured program was lost, left out or corrected. Each is declared here and nowhere else.

Records count losses by cause, and the report puts causes into words (``ecoia_dashboards.wording.LOST``). A cause may name its
object after a colon: ``invalid-setting:flush_seconds``.
"""

from __future__ import annotations

# Values that the program gave with its spans
INVALID_SERVICE = "invalid-service"
INVALID_PHASE = "invalid-phase"
INVALID_ENDPOINT = "invalid-endpoint"
INVALID_MODEL_VERSION = "invalid-model_version"
INVALID_RUN_ID = "invalid-run_id"
INVALID_UNITS = "invalid-units"
INVALID_TOKENS = "invalid-tokens"
INVALID_WEIGHT = "invalid-weight"
INVALID_QUALITY = "invalid-quality"
INVALID_SETTING = "invalid-setting"
TOO_MANY_ENDPOINTS = "too-many-endpoints"

# Serving
MISSING_UNITS = "missing-units"
ROUTE_UNREAD = "route-unread"
METRICS_PAGE_UNREAD = "metrics-page-unread"
MLFLOW_SERVER_UNMEASURED = "mlflow-server-unmeasured"

# Following spans
NO_SAMPLER = "no-sampler"
METERS_NOT_FOUND = "meters-not-found"
METERS_FAILED = "meters-failed"
MEASURING_STOPPED = "measuring-stopped"
STACK_FULL = "stack-full"
POOL_NOT_FOLLOWED = "pool-not-followed"
MOVED_BETWEEN_THREADS = "moved-between-threads"
MLFLOW_RUN_UNREAD = "mlflow-run-unread"
RUN_NOT_FOLLOWED = "run-not-followed"
EXPERIMENT_UNREAD = "experiment-unread"
SEVERAL_RUNS_OPEN = "several-runs-open"

# Reading meters and the host
UNREAD = {"cpu": "cpu-unread", "gpu": "gpu-unread", "ram": "ram-unread"}
COUNTER_RESET = {"cpu": "cpu-counter-reset", "gpu": "gpu-counter-reset", "ram": "ram-counter-reset"}
WRAPS_INFERRED = {"cpu": "cpu-wraps-inferred", "ram": "ram-wraps-inferred"}
WATTMETER_GAP = "wattmeter-gap"
WATTMETER_CLOCK_STEP = "wattmeter-clock-step"
IDLE_BASELINE_STALE = "idle-baseline-stale"
IDLE_BASELINE_UNREADABLE = "idle-baseline-unreadable"
CPU_STEAL = "cpu-steal"
HOST_LOAD_UNREAD = "host-load-unread"
HOST_SCOPE_TAKEN = "host-scope-taken"

# Writing
CLOCK_STEP = "clock-step"
CLAIM_UNWRITTEN = "claim-unwritten"
CLAIM_REFUSED = "claim-refused"
UNWRITTEN_RECORDS = "unwritten-records"
OPEN_WINDOW_UNKEPT = "open-window-unkept"
ENDED_SUDDENLY = "ended-suddenly"

LOSSES: tuple[str, ...] = tuple(
    cause
    for declared in [value for name, value in globals().items() if name.isupper()]
    for cause in (declared.values() if isinstance(declared, dict) else (declared,))
)
"""Every cause, in the order of declaration."""
