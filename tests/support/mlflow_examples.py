"""Three training scripts as MLflow's tutorials have them, with nothing of ecoia in them. Tests run them with and without it.

Usage: ``mlflow_examples.py``, with ``MLFLOW_TRACKING_URI`` set. They print what does not depend on chance or time. In the end
standard error says how many runs there are, and what of ecoia was loaded and put into MLflow.
"""

from __future__ import annotations

import json
import sys

QUICKSTART = """
import mlflow
from mlflow import MlflowClient

mlflow.set_experiment("MLflow Quickstart")
with mlflow.start_run() as run:
    mlflow.log_params({"solver": "lbfgs", "max_iter": 1000})
    for step in range(3):
        mlflow.log_metric("accuracy", 0.9 + step / 100, step=step)
    mlflow.set_tag("Training Info", "Basic LR model for iris data")
    mlflow.log_text("a model", "model.txt")
print("status:", MlflowClient().get_run(run.info.run_id).info.status)
print("params:", mlflow.get_run(run.info.run_id).data.params)
print("accuracy:", mlflow.get_run(run.info.run_id).data.metrics["accuracy"])
"""

ELASTIC_NET = """
import warnings
import numpy as np
import mlflow
from sklearn.linear_model import ElasticNet
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.model_selection import train_test_split

def eval_metrics(actual, pred):
    return mean_absolute_error(actual, pred), r2_score(actual, pred)

warnings.filterwarnings("ignore")
np.random.seed(40)
x = np.random.rand(120, 4)
y = x @ np.array([3.0, 1.0, -2.0, 0.5]) + np.random.rand(120) / 10
train_x, test_x, train_y, test_y = train_test_split(x, y, random_state=0)
alpha, l1_ratio = 0.05, 0.5
with mlflow.start_run(run_name="wine"):
    lr = ElasticNet(alpha=alpha, l1_ratio=l1_ratio, random_state=42)
    lr.fit(train_x, train_y)
    mae, r2 = eval_metrics(test_y, lr.predict(test_x))
    print(f"Elasticnet model (alpha={alpha:f}, l1_ratio={l1_ratio:f}):")
    print(f"  MAE: {mae}")
    print(f"  R2: {r2}")
    mlflow.log_param("alpha", alpha)
    mlflow.log_metric("r2", r2)
"""

HYPERPARAM = """
import mlflow
from mlflow.tracking import MlflowClient

def loss(lr, momentum):
    return (lr - 0.1) ** 2 + (momentum - 0.9) ** 2

with mlflow.start_run(run_name="search") as run:
    for lr in (0.01, 0.1, 1.0):
        for momentum in (0.5, 0.9):
            with mlflow.start_run(nested=True) as child:
                mlflow.log_params({"lr": lr, "momentum": momentum})
                mlflow.log_metric("val_loss", loss(lr, momentum))
client = MlflowClient()
children = client.search_runs([run.info.experiment_id], f"tags.mlflow.parentRunId = '{run.info.run_id}'")
best = min(children, key=lambda each: each.data.metrics["val_loss"])
client.set_tag(run.info.run_id, "best_run", best.info.run_id)
print(len(children), "trials, best:", best.data.params)
"""

for name, script in (("quickstart", QUICKSTART), ("elastic net", ELASTIC_NET), ("hyperparam", HYPERPARAM)):
    exec(compile(script, name, "exec"), {"__name__": "__main__"})  # noqa: S102

import mlflow  # noqa: E402

ours = [
    f"{kind.__name__}.{name}"
    for kind in (mlflow.ActiveRun, mlflow.MlflowClient)
    for name, function in vars(kind).items()
    if "mlflow_hooks" in getattr(getattr(function, "__code__", None), "co_filename", "")
]
runs = len(mlflow.search_runs(search_all_experiments=True, output_format="list"))
print(json.dumps({"runs": runs, "loaded": "ecoia" in sys.modules, "wrapped": ours}), file=sys.stderr)
