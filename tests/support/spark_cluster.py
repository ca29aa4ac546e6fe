"""A standalone cluster of Spark on this machine: a master and workers, each a Java process of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from support.mlflow_stores import free_port
from support.programs import wait_until

LIGHT_JAVA = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"
"""Java starts faster so, and its collector and compiler take no further threads."""

_MODULES = [f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in ("java.lang", "java.nio", "sun.nio.ch", "java.util")]
_DEPLOY = "org.apache.spark.deploy"


def needs_java() -> None:
    """Skip a test where Java is missing; fail it in CI, where ``make system`` installs it."""
    if shutil.which("java") is None:
        if "CI" in os.environ:
            pytest.fail("java is not there: make system")
        pytest.skip("Spark needs Java: apt-get install openjdk-17-jre-headless")


@contextmanager
def spark_cluster(folder: Path, *, workers: int = 2) -> Iterator[str]:
    """Run a master and workers of one core each, and yield the master's URL. They end with the block, executors included."""
    from pyspark.find_spark_home import _find_spark_home

    port = free_port()
    url = f"spark://127.0.0.1:{port}"
    home = _find_spark_home()
    java = ["java", "-Xmx256m", *LIGHT_JAVA.split(), *_MODULES, "-Dspark.master.rest.enabled=false", "-cp", f"{home}/jars/*"]
    scala = next(Path(home, "jars").glob("spark-core_*.jar")).name.split("_")[1].split("-")[0]
    environment = {**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_HOME": home, "SPARK_SCALA_VERSION": scala}
    with ExitStack() as running:
        running.enter_context(_daemon(folder / "master", [*java, f"{_DEPLOY}.master.Master", *_at(port)], environment))
        wait_until(lambda: _answers(port))
        logs = []
        for number in range(workers):
            options = ["--cores", "1", "--memory", "700M", "--work-dir", str(folder / f"work-{number}")]
            worker = [*java, f"{_DEPLOY}.worker.Worker", *_at(0), *options, url]
            logs.append(running.enter_context(_daemon(folder / f"worker-{number}", worker, environment)))
        wait_until(lambda: all("registered with master" in log.read_text(errors="replace") for log in logs))
        yield url


def write_defaults(folder: Path, master: str, settings: Mapping[str, str]) -> dict[str, str]:
    """Write ``spark-defaults.conf`` for small drivers and executors; return the variables that have a driver read it."""
    defaults = {
        "spark.master": master,
        "spark.driver.memory": "512m",
        "spark.executor.memory": "512m",
        "spark.executor.cores": "1",
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "2",
        "spark.driver.extraJavaOptions": LIGHT_JAVA,
        "spark.executor.extraJavaOptions": LIGHT_JAVA,
        **settings,
    }
    folder.mkdir()
    lines = "".join(f"{name} {value}\n" for name, value in defaults.items())
    (folder / "spark-defaults.conf").write_text(lines, encoding="utf-8")
    return {"SPARK_CONF_DIR": str(folder), "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}


@contextmanager
def _daemon(log: Path, command: list[str], environment: Mapping[str, str]) -> Iterator[Path]:
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment)
    try:
        yield log
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _at(port: int) -> list[str]:
    return ["--host", "127.0.0.1", "--port", str(port), "--webui-port", "0"]


def _answers(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
