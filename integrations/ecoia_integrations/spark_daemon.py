"""Measure what an application does on Spark's executors, without a change of its code::

    spark-submit --conf spark.python.daemon.module=ecoia_integrations.spark_daemon \
                 --conf spark.executorEnv.ECOIA_SERVICE=vadore score.py

Before its first Python task, each executor starts this module in place of ``pyspark.daemon``. It starts ``ecoia watch`` beside
the executor, for all of it: the Java process, the Python workers, and what they start. Then it is ``pyspark.daemon``. The watcher
is not below the executor, so it outlives it, also when the executor is killed, and writes the last window.

In the environment of the executors, ``ECOIA_SERVICE`` names the service, ``ECOIA_PHASE`` the phase (``inference`` without it),
and ``ECOIA_GROUP`` the MLflow run, if the phase belongs to one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

import psutil

_MODULE = "ecoia_integrations.spark_daemon"
_DISABLED = ("1", "true", "yes", "on")


def watch_command(executor: int, environment: Mapping[str, str]) -> list[str] | None:
    """Return the command that watches an executor; None where ecoia is switched off.

    Args:
        executor: Id of its process.
        environment: Its environment.

    Example:
        >>> watch_command(4242, {"ECOIA_SERVICE": "vadore"})[2:]
        ['ecoia', 'watch', '--pid', '4242', '--service', 'vadore']
    """
    if environment.get("ECOIA_DISABLED", "").lower() in _DISABLED:
        return None
    command = [sys.executable, "-m", "ecoia", "watch", "--pid", str(executor)]
    for option, name in (("--service", "ECOIA_SERVICE"), ("--phase", "ECOIA_PHASE"), ("--run", "ECOIA_GROUP")):
        if environment.get(name):
            command += [option, environment[name]]
    return command


def is_first(executor: int) -> bool:
    """Return whether no other daemon of an executor began before this process. Spark starts one for each environment of workers.

    Args:
        executor: Id of its process.

    Example:
        >>> is_first(os.getppid())
        True
    """
    try:
        others = [each for each in psutil.Process(executor).children() if _MODULE in each.cmdline()]
        began = psutil.Process().create_time(), os.getpid()
        return all((each.create_time(), each.pid) >= began for each in others)
    except psutil.Error:  # one of them has just ended; a second watcher would be refused
        return True


def start_beside(command: list[str]) -> None:
    """Start a program that is no descendant of this process, and writes to nothing but its standard error.

    The standard input and output of Spark's daemon are its line to the executor, and end when the last process closes them.

    Args:
        command: Program and arguments.

    Example::

        start_beside([sys.executable, "-m", "ecoia", "watch", "--pid", "4242", "--service", "vadore"])
    """
    first = os.fork()
    if first:
        os.waitpid(first, 0)
        return
    try:
        os.setsid()
        if os.fork() == 0:
            nothing = os.open(os.devnull, os.O_RDWR)
            os.dup2(nothing, 0)
            os.dup2(nothing, 1)
            os.execv(command[0], command)  # noqa: S606 - no shell is wanted
    finally:
        os._exit(0)


def main() -> None:
    """Start the watcher, then be Spark's daemon."""
    try:
        executor = os.getppid()
        command = watch_command(executor, os.environ)
        if command is not None and is_first(executor):
            start_beside(command)
    except Exception as error:  # noqa: BLE001 - the job runs even if it is not measured
        print(f"ecoia: this executor is not measured: {error}", file=sys.stderr)
    from pyspark import daemon

    daemon.manager()


if __name__ == "__main__":
    main()
