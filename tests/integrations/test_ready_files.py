"""Files to copy for people who run fleets: counters opened to a group alone, a unit, an epilog, a label of the node pool.

Real tools check them where this machine has these tools; no systemd, Slurm or cluster runs here.
"""

from __future__ import annotations

import grp
import os
import pwd
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
import yaml

from ecoia.meters import hardware
from ecoia.testing import PowercapTree

pytestmark = pytest.mark.checkout

NUMBERS = re.compile(r"ecoia-power(?= - -)")


@pytest.fixture
def ready(repository: Path) -> Path:
    return repository / "integrations"


def needs(tool: str) -> str:
    found = shutil.which(tool)
    if found is None:
        pytest.skip(f"{tool} is not on this machine")
    return found


def test_the_roles_templates_are_the_files_of_systemd(ready: Path) -> None:
    role = ready / "ansible" / "roles" / "ecoia_powercap"
    (group,) = [
        each["ecoia_powercap_group"] for each in yaml.safe_load_all((role / "defaults/main.yml").read_text(encoding="utf-8"))
    ]
    for name in ("ecoia-power.tmpfiles.conf", "99-ecoia-power.rules"):
        template = (role / "templates" / f"{name}.j2").read_text(encoding="utf-8")
        assert template.replace("{{ ecoia_powercap_group }}", group) == (ready / "systemd" / name).read_text(encoding="utf-8")
    for task in yaml.safe_load((role / "tasks/main.yml").read_text(encoding="utf-8")):
        source = task.get("ansible.builtin.template", {}).get("src")
        assert source is None or (role / "templates" / source).is_file()


def test_the_lines_of_tmpfiles_open_each_counter_to_the_group_and_to_nobody_else(ready: Path, tmp_path: Path) -> None:
    tool = needs("systemd-tmpfiles")
    if os.geteuid() != 0:
        pytest.skip("only root may give a file to another group")
    package = PowercapTree(tmp_path).add("package-0")
    dram = package.add("dram")
    group = grp.getgrgid(1).gr_name
    folder = tmp_path / "etc"
    folder.mkdir()
    for name in ("passwd", "group"):
        shutil.copy(f"/etc/{name}", folder / name)
    lines = (ready / "systemd/ecoia-power.tmpfiles.conf").read_text(encoding="utf-8")
    file = tmp_path / "power.conf"
    file.write_text(NUMBERS.sub(group, lines), encoding="utf-8")
    subprocess.run([tool, "--create", f"--root={tmp_path}", str(file)], check=True, capture_output=True)
    for zone in (package, dram):
        status = zone.energy_file.stat()
        assert (stat.S_IMODE(status.st_mode), status.st_gid) == (0o440, 1)
    assert len(hardware.energy_counter_files(tmp_path)) == 2, "no counter is left out"
    assert stat.S_IMODE((package.path / "name").stat().st_mode) == 0o644, "and nothing else is touched"


def test_the_udev_rule_opens_a_zone_that_appears_to_the_group_and_to_nobody_else(ready: Path) -> None:
    (rule,) = [
        line
        for line in (ready / "systemd/99-ecoia-power.rules").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    matches = dict(re.findall(r'(\w+)=="([^"]*)"', rule))
    assert matches == {"ACTION": "add", "SUBSYSTEM": "powercap", "TEST": "energy_uj"}
    assert re.findall(r'RUN\+="([^"]*)"', rule) == [
        "/usr/bin/chgrp ecoia-power /sys%p/energy_uj",
        "/usr/bin/chmod 0440 /sys%p/energy_uj",
    ]


def test_systemd_takes_the_unit(ready: Path, tmp_path: Path) -> None:
    tool = needs("systemd-analyze")
    text = (ready / "systemd/ecoia-watch.service").read_text(encoding="utf-8")
    assert "ExecStart=/opt/ecoia/bin/ecoia watch --rules /etc/ecoia/rules.toml" in text
    unit = tmp_path / "ecoia-watch.service"
    unit.write_text(text.replace("/opt/ecoia/bin/ecoia", shutil.which("true") or "/bin/true"), encoding="utf-8")
    told = subprocess.run([tool, "verify", "--man=no", str(unit)], check=False, capture_output=True, text=True)
    ours = [line for line in told.stderr.splitlines() if unit.name in line]
    assert ours == [], told.stderr


def test_kustomize_sets_the_type_of_the_pool_that_the_pods_are_bound_to(ready: Path) -> None:
    tool = needs("kubectl")
    folder = ready / "kubernetes" / "instance-type"
    told = subprocess.run([tool, "kustomize", str(folder)], check=False, capture_output=True, text=True)
    if "kustomization" not in told.stderr and told.returncode:
        pytest.skip(f"kubectl cannot run here: {told.stderr[:80]}")
    assert told.returncode == 0, told.stderr
    (deployment,) = yaml.safe_load_all(told.stdout)
    pod = deployment["spec"]["template"]["spec"]
    assert deployment["metadata"]["name"] == "inference-api"
    (variable,) = pod["containers"][0]["env"]
    assert variable == {"name": "ECOIA_INSTANCE_TYPE", "value": pod["nodeSelector"]["node.kubernetes.io/instance-type"]}
    assert pod["containers"][0]["image"], "the patch adds, and takes nothing away"


# --- Slurm ------------------------------------------------------------------------------------------------------------


def epilog(ready: Path, folder: Path, code: int, *, uid: str = "4242") -> tuple[int, str]:
    """Run the epilog with a stand-in for ecoia that notes its arguments and environment; return its exit code and the notes."""
    noted, ecoia = folder / "noted", folder / "ecoia"
    ecoia.write_text(f'#!/bin/sh\n{{ echo "$@"; env; }} > {noted}\nexit {code}\n', encoding="utf-8")
    ecoia.chmod(0o755)
    folder.chmod(0o777)
    environment = {
        "PATH": os.environ["PATH"],
        "ECOIA": str(ecoia),
        "ECOIA_EPILOG_HOME": str(folder / "homes"),
        "SLURM_JOB_UID": uid,
        "SLURM_JOB_USER": pwd.getpwuid(os.geteuid()).pw_name,
        "LD_PRELOAD_OF_THE_JOB": "1",
    }
    script = ready / "slurm/epilog-ecoia.sh"
    done = subprocess.run(["bash", str(script)], env=environment, check=False, capture_output=True, timeout=60)
    return done.returncode, noted.read_text(encoding="utf-8") if noted.exists() else ""


def a_home(folder: Path) -> None:
    (folder / "homes/4242").mkdir(parents=True)
    (folder / "homes/4242/home.json").write_text("{}", encoding="utf-8")


@pytest.mark.parametrize("code", [0, 1, 137])
def test_the_epilog_delivers_the_users_home_and_never_drains_the_node(ready: Path, tmp_path: Path, code: int) -> None:
    a_home(tmp_path)
    ended, noted = epilog(ready, tmp_path, code)
    assert ended == 0
    assert noted.splitlines()[0] == f"deliver --home {tmp_path}/homes/4242"
    assert "LD_PRELOAD_OF_THE_JOB" not in noted, "the job's environment does not reach a command that root starts"


def test_the_epilog_does_nothing_without_a_home_or_for_root(ready: Path, tmp_path: Path) -> None:
    assert epilog(ready, tmp_path, 0) == (0, "")
    a_home(tmp_path)
    assert epilog(ready, tmp_path, 0, uid="0") == (0, "")
    assert epilog(ready, tmp_path, 0, uid="") == (0, "")


def test_the_epilog_is_sound_shell(ready: Path) -> None:
    subprocess.run(["bash", "-n", str(ready / "slurm/epilog-ecoia.sh")], check=True)
