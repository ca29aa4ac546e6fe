"""Tasks and an actor of Ray, whose workers are measured for the run that the driver began."""

from __future__ import annotations

import mlflow
import ray

run = mlflow.start_run(run_name="on Ray")
ray.init(
    num_cpus=2,
    include_dashboard=False,
    runtime_env={
        "worker_process_setup_hook": "ecoia.autolog",
        "env_vars": {
            "ECOIA_SERVICE": "vadore",
            "ECOIA_PHASE": "data-preparation",
            "ECOIA_GROUP": run.info.run_id,
            "MLFLOW_TRACKING_URI": mlflow.get_tracking_uri(),
        },
    },
)


@ray.remote
def squares(until: int) -> int:
    """A task: Ray starts a worker for each processor."""
    return sum(number * number for number in range(until))


@ray.remote
class Adder:
    """An actor: a worker of its own, for as long as it lives."""

    def __init__(self) -> None:
        self.total = 0

    def add(self, until: int) -> int:
        """Work in the actor's process."""
        self.total += sum(range(until))
        return self.total


print(ray.get([squares.remote(3_000_000) for _ in range(4)]))
print(ray.get(Adder.remote().add.remote(5_000_000)))
ray.shutdown()
mlflow.end_run()
