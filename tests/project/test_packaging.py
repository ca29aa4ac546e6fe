"""The Makefile before any of our code runs: locks, index and certificates, clear messages. And the package's metadata."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from importlib.metadata import entry_points, metadata, version
from pathlib import Path

import pytest

import ecoia

LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-demo.lock", "requirements-uv.lock")


def pins(path: Path) -> dict[str, set[str]]:
    """Return the versions of each package: one for each marker."""
    found: dict[str, set[str]] = {}
    for name, pinned in re.findall(r"^([\w.-]+)==([^\s;]+)", path.read_text(encoding="utf-8"), re.MULTILINE):
        found.setdefault(name, set()).add(pinned)
    return found


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=~!;\[ ]", requirement)[0].lower().replace("_", "-") for requirement in requirements}


@pytest.mark.checkout
@pytest.mark.parametrize("lock", LOCKS)
def test_locks_pin_and_hash_everything_and_name_no_place(repository: Path, lock: str) -> None:
    text = (repository / lock).read_text(encoding="utf-8")
    requirements = re.split(r"\n(?=[\w])", text)[1:]
    assert requirements
    for requirement in requirements:
        assert re.match(r"[\w.-]+==\S+ ", requirement), requirement
        assert "--hash=sha256:" in requirement, requirement
    assert not re.search(r"://|@ |--index|--find|/[a-z]+/", text), "a lock holds no index, host or path"


@pytest.mark.checkout
def test_locks_hold_what_pyproject_asks_for(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))
    groups = project["dependency-groups"]
    extras = project["project"]["optional-dependencies"]
    locked = ("report", "api", "metrics", "otel", "timestamp")
    asked = names(project["project"]["dependencies"]).union(*(names(extras[extra]) for extra in locked))
    report, dev = pins(repository / LOCKS[0]), pins(repository / LOCKS[1])
    assert asked | names(groups["build"]) <= report.keys()
    assert names(groups["dev"]) | names(extras["pdf"]) <= dev.keys()
    assert all(dev[name] == versions for name, versions in report.items()), "both locks agree"
    # Two packages alone, without their dependencies.
    assert pins(repository / LOCKS[2]).keys() == names(groups["demo"])
    hosts = pins(repository / "requirements-hosts.lock")
    assert names(groups["hosts"]) <= hosts.keys()
    assert all(hosts[name] == dev[name] for name in hosts.keys() & dev.keys()), "packages that both environments have agree"
    assert not any(name.startswith("nvidia") for name in hosts), "PyTorch's build for CPUs, not the large one for GPUs"


@pytest.mark.checkout
def test_the_tests_that_the_wheel_is_tested_with_exist(repository: Path) -> None:
    script = (repository / "tools" / "wheel_test.sh").read_text(encoding="utf-8")
    listed = re.search(r"\ntests=\(.*?\n\)\n", script, re.DOTALL)
    assert listed is not None
    said = subprocess.run(["bash", "-c", listed[0] + 'printf "%s\\n" "${tests[@]}"'], capture_output=True, text=True, check=True)
    for test in said.stdout.split():
        path, *names = test.partition("[")[0].split("::")
        text = (repository / path).read_text(encoding="utf-8") if names else ""
        assert (repository / path).exists(), test
        assert all(re.search(rf"^ *(def|class) {name}\b", text, re.MULTILINE) for name in names), test


@pytest.mark.checkout
def test_a_place_of_wheels_serves_uv_too(repository: Path) -> None:
    found = network(repository, PIP_FIND_LINKS="/first /second")
    assert found["UV_FIND_LINKS"] == "/first,/second"


def network(repository: Path, **variables: str) -> dict[str, str]:
    """Return the environment that tools/network.sh makes of some variables."""
    done = subprocess.run(
        ["bash", "-euc", ". tools/network.sh; env"],
        cwd=repository, env={"PATH": os.environ["PATH"], **variables}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)


@pytest.mark.checkout
@pytest.mark.parametrize("variable", ["PIP_INDEX_URL", "UV_INDEX_URL", "UV_DEFAULT_INDEX"])
def test_one_index_variable_serves_pip_and_uv(repository: Path, variable: str) -> None:
    mirror = "https://mirror.example/simple"
    found = network(repository, **{variable: mirror})
    assert found["UV_DEFAULT_INDEX"] == found["PIP_INDEX_URL"] == mirror


@pytest.mark.checkout
@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "PIP_CERT"])
def test_one_certificate_variable_serves_pip_and_uv(repository: Path, variable: str) -> None:
    found = network(repository, **{variable: "/etc/ssl/own.pem"})
    assert found["SSL_CERT_FILE"] == found["PIP_CERT"] == "/etc/ssl/own.pem"


@pytest.fixture
def machine(repository: Path, tmp_path: Path) -> Path:
    """Make a folder with the Makefile, and ``bin`` with the few programs of a bare machine."""
    shutil.copy(repository / "Makefile", tmp_path)
    (tmp_path / "requirements-uv.lock").touch()
    shutil.copytree(repository / "tools", tmp_path / "tools")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("bash", "make", "sh", "env", "touch"):
        found = shutil.which(name)
        assert found is not None
        (programs / name).symlink_to(found)
    return tmp_path


def program(machine: Path, name: str, text: str) -> None:
    path = machine / "bin" / name
    path.write_text(f"#!{shutil.which('bash')}\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


def make(machine: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *arguments], cwd=machine, env={"PATH": str(machine / "bin")}, capture_output=True, text=True, timeout=600
    )


@pytest.mark.checkout
def test_a_machine_without_a_fitting_python_is_told_which_one(machine: Path) -> None:
    done = make(machine, ".venv/.stamp-uv")
    assert done.returncode != 0
    assert "needs Python 3.11, 3.12 or 3.13" in done.stderr
    program(machine, "python3.9", 'case "$1" in -V) echo Python 3.9.2;; *) exit 1;; esac')
    done = make(machine, ".venv/.stamp-uv", "PYTHON=python3.9")
    assert done.returncode != 0
    assert "PYTHON=python3.9 is Python 3.9.2: ecoia needs Python 3.11, 3.12 or 3.13" in done.stderr


@pytest.mark.checkout
def test_a_python_that_is_out_of_range_gives_way_to_one_that_fits(machine: Path) -> None:
    program(machine, "python3", "exit 1")  # does not fit
    program(machine, "python3.12", 'echo "$@" >> asked; case "$2" in *ensurepip*) exit 1;; esac')  # fits, has no venv
    done = make(machine, ".venv/.stamp-uv")
    assert done.returncode != 0
    assert "apt-get install python3-venv" in done.stderr


@pytest.mark.checkout
@pytest.mark.parametrize("user", [0, 1000])
def test_missing_system_packages_are_installed_by_root_and_named_to_others(machine: Path, user: int) -> None:
    (machine / ".venv").mkdir()
    (machine / ".venv" / ".stamp-uv").touch()
    program(machine, "id", f"echo {user}")
    program(machine, "apt-get", 'echo "$@" >> asked')
    done = make(machine, "system")
    packages = "chromium libatomic1 libpango-1.0-0 libpangoft2-1.0-0 gcc libc6-dev iproute2 prometheus postgresql"
    install = f"install --yes --no-install-recommends {packages} openjdk-17-jre-headless"
    asked = (machine / "asked").read_text(encoding="utf-8").splitlines() if (machine / "asked").exists() else []
    if user == 0:
        assert done.returncode == 0, done.stderr
        assert asked == [
            "update --quiet",
            install,
        ]
    else:
        assert done.returncode != 0
        assert not asked
        assert f"sudo apt-get {install}" in done.stderr


def test_the_installed_metadata_tells_the_version_licence_and_renderer(repository: Path) -> None:
    assert version("ecoia") == ecoia.__version__
    assert f"## {ecoia.__version__}" in (repository / "CHANGELOG.md").read_text(encoding="utf-8")
    assert metadata("ecoia")["License-Expression"] == "Apache-2.0"
    assert {"boamps", "csv", "figures", "html", "parquet", "pdf", "sci", "xlsx"} <= {
        renderer.name for renderer in entry_points(group="ecoia.renderers")
    }


@pytest.mark.parametrize("name", ecoia.__all__)
def test_public_names_exist(name: str) -> None:
    assert hasattr(ecoia, name)
