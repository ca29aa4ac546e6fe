"""A tree of control groups (version 2) as kernel and kubelet lay it out, with accounts that a test advances."""

from __future__ import annotations

import shutil
from pathlib import Path

UID = "8f1c2d3e-4b5a-6978-8a9b-0c1d2e3f4a5b"
CONTAINER = "3f1c" * 16


class GroupTree:
    """Control groups below ``root/sys/fs/cgroup``, and the kubelet's folders of logs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.mount = root / "sys/fs/cgroup"
        self.logs = root / "var/log/pods"
        self.mount.mkdir(parents=True)
        self.logs.mkdir(parents=True)
        (self.mount / "cgroup.controllers").write_text("cpu memory\n")
        self._account(self.mount, 0)

    def add(self, path: str, cpu_ms: int = 0, quota: float | None = None) -> str:
        """Make a group and those above it."""
        folder = self.mount / path.strip("/")
        for each in (*reversed(folder.parents), folder):
            if not each.exists():
                each.mkdir()
                self._account(each, 0)
                (each / "cgroup.procs").write_text("")
                (each / "cpu.max").write_text("max 100000\n")
        if quota is not None:
            (folder / "cpu.max").write_text(f"{round(quota * 100_000)} 100000\n")
        if cpu_ms:
            self.burn(path, cpu_ms)
        return path

    def burn(self, path: str, cpu_ms: int) -> None:
        """Add CPU time to a group and to those above it."""
        folder = self.mount / path.strip("/")
        for each in (folder, *folder.parents):
            self._account(each, self._used_us(each) + cpu_ms * 1000)
            if each == self.mount:
                return

    def remove(self, path: str) -> None:
        shutil.rmtree(self.mount / path.strip("/"))

    def pod(self, namespace: str, name: str, uid: str, *, named: bool = True, cgroupfs: bool = False) -> str:
        """Make a pod's group, as the kubelet does with either driver; ``named`` creates its folder of logs too."""
        if named:
            self.name_pod(namespace, name, uid)
        if cgroupfs:
            return self.add(f"/kubepods/burstable/pod{uid}")
        return self.add(f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{uid.replace('-', '_')}.slice")

    def name_pod(self, namespace: str, name: str, uid: str) -> None:
        (self.logs / f"{namespace}_{name}_{uid}" / "api").mkdir(parents=True)

    def _account(self, folder: Path, used_us: int) -> None:
        (folder / "cpu.stat").write_text(f"usage_usec {used_us}\nuser_usec {used_us}\nsystem_usec 0\n")

    def _used_us(self, folder: Path) -> int:
        return int((folder / "cpu.stat").read_text().split()[1])
