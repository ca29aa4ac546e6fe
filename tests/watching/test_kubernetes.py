"""Check the Kubernetes manifests against the code: settings, options, rules, mounts, and the script of the sidecar."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from ecoia import meters
from ecoia.cli import app
from ecoia.settings import SETTINGS
from ecoia.settings import load as load_settings
from ecoia.testing import PowercapTree
from ecoia.watching.group_rules import POD_LOGS, read_rules
from support.programs import wait_until

MANIFESTS = ("in-process", "sidecar", "watcher")

pytestmark = pytest.mark.checkout


@pytest.fixture
def manifests(repository: Path) -> dict[str, list[dict[str, Any]]]:
    folder = repository / "integrations" / "kubernetes"
    assert {file.stem for file in folder.glob("*.yaml")} == set(MANIFESTS)
    return {name: list(yaml.safe_load_all((folder / f"{name}.yaml").read_text(encoding="utf-8"))) for name in MANIFESTS}


def pods(documents: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    return (document["spec"]["template"]["spec"] for document in documents if "template" in document.get("spec", {}))


def our_container(manifests: dict[str, list[dict[str, Any]]], name: str) -> dict[str, Any]:
    (pod,) = pods(manifests[name])
    return next(each for each in pod["containers"] if any(env["name"] == "ECOIA_HOME" for env in each.get("env", ())))


@pytest.mark.parametrize("name", MANIFESTS)
def test_each_setting_is_known_each_mount_has_its_volume_and_the_home_is_on_one(
    manifests: dict[str, list[dict[str, Any]]], name: str
) -> None:
    (pod,) = pods(manifests[name])
    container = our_container(manifests, name)
    variables = {each["name"]: each for each in container["env"]}
    known = {setting.variable: setting for setting in SETTINGS}
    for variable, each in variables.items():
        if variable.startswith("ECOIA_"):
            assert variable in known
            if "value" in each:
                known[variable].check(each["value"])
    assert "fieldRef" in variables["ECOIA_INSTANCE"]["valueFrom"]
    volumes = {volume["name"] for volume in pod["volumes"]}
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    assert {mount["name"] for mount in mounts.values()} == volumes
    assert not mounts[variables["ECOIA_HOME"]["value"]].get("readOnly")
    assert all(mount.get("readOnly") for path, mount in mounts.items() if path.startswith(("/sys", "/var/log", "/etc")))


def test_the_watchers_command_and_rules_are_legal(manifests: dict[str, list[dict[str, Any]]], tmp_path: Path) -> None:
    container = our_container(manifests, "watcher")
    command, *words = container["args"]
    options = {option for each in typer.main.get_command(app).commands[command].params for option in each.opts}  # type: ignore[attr-defined]
    assert {word for word in words if word.startswith("-")} <= options
    (rules,) = (document["data"] for document in manifests["watcher"] if document["kind"] == "ConfigMap")
    ((name, text),) = rules.items()
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert f"{mounts['rules']}/{name}" == words[-1]
    assert mounts["pod-logs"] == str(POD_LOGS)
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert [(rule.service, rule.phase) for rule in read_rules(tmp_path / name)] == [
        ("vadore", "inference"),
        ("vadore", "training"),
        ("recherche", "inference"),
    ]


def test_counters_are_read_where_the_watcher_mounts_them(tmp_path: Path) -> None:
    """A container hides /sys/devices/virtual/powercap, so the links below /sys/class/powercap lead nowhere."""
    host = PowercapTree(tmp_path / "host")
    package = host.add("package-0")
    package.add("dram")
    container = tmp_path / "container/sys/class"
    container.mkdir(parents=True)
    (container / "powercap").symlink_to(host.root / "sys/devices/virtual/powercap")  # as in the mount
    found = {meter.component: meter for meter in meters.detect(load_settings(), root=tmp_path / "container")}
    assert {component: meter.method.name for component, meter in found.items()} == {"cpu": "rapl", "ram": "rapl-dram"}
    package.advance(2_000_000)
    assert found["cpu"].read(1.0, 0.5) == 2_000_000


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_the_sidecar_waits_for_the_service_and_finds_its_first_process(
    manifests: dict[str, list[dict[str, Any]]], tmp_path: Path
) -> None:
    container = our_container(manifests, "sidecar")
    (tmp_path / "ecoia").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "ecoia").chmod(0o755)
    program = tmp_path / f"served{os.getpid()}"
    shutil.copy("/bin/sleep", program)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PROGRAM": program.name}
    sidecar = subprocess.Popen([*container["command"], *container["args"]], env=environment, stdout=subprocess.PIPE, text=True)
    waiting = Path(f"/proc/{sidecar.pid}/task/{sidecar.pid}/children")
    wait_until(lambda: sidecar.poll() is not None or waiting.read_text())  # it waits, because the service does not run yet
    services = [subprocess.Popen([program, "60"]) for _ in range(3)]
    try:
        said, _ = sidecar.communicate(timeout=600)
    finally:
        for service in services:
            service.kill()
            service.wait()
    assert said == f"watch --service vadore --pid {min(service.pid for service in services)}\n"
