"""Hands virtual machines the energy that the host's meters gave for them: a folder of files each, which the guest only reads.

``DIR/NAME/ecoia.json`` holds all at once and is what ``ecoia.meters.guest_share`` reads; ``name``, ``energy_uj`` and
``max_energy_range_uj`` are the same sum as powercap shows it, for other programs. Each file is renamed into place, so a reader
finds the old one or the new one. The sum never falls: a watcher that starts again goes on from the file.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ecoia.meters import Meter
from ecoia.meters.guest_share import FILE
from ecoia.meters.hardware import names_in
from ecoia.methods import AT_WALL, error_class

HANDED = ("cpu", "ram")
"""Components that a guest gets as one sum. Graphics cards are given through whole, and the guest reads them itself."""

_RANGE_UJ = 1 << 62
_MACHINE, _SCOPE, _QEMU = "machine-", ".scope", "qemu-"


def guest_name(path: str) -> str | None:
    """Return the name of the virtual machine that a control group is of; None if it is of none.

    libvirt names a group ``machine-qemu\\x2d<number>\\x2d<name>.scope``, Proxmox ``/qemu.slice/<number>.scope``.

    Args:
        path: Path of the group.

    Example:
        >>> guest_name(r"/machine.slice/machine-qemu\\x2d3\\x2dapi\\x2d1.scope"), guest_name("/qemu.slice/100.scope")
        ('api-1', '100')
        >>> guest_name("/system.slice/search.service") is None
        True
    """
    above, _, last = path.rpartition("/")
    if not last.endswith(_SCOPE):
        return None
    first, *escaped = last.removesuffix(_SCOPE).split("\\x")
    name = first + "".join(_unescaped(part) for part in escaped)
    if name.startswith(_MACHINE + _QEMU):
        name = name.removeprefix(_MACHINE + _QEMU).partition("-")[2]
    elif not above.endswith("/qemu.slice"):
        return None
    safe = "".join(
        character if character.isascii() and (character.isalnum() or character in "._-") else "_" for character in name
    )
    return safe if safe.strip(".") else None


def _unescaped(part: str) -> str:
    """Return what systemd escaped: two digits of a byte, then the rest."""
    try:
        return chr(int(part[:2], 16)) + part[2:]
    except ValueError:
        return f"_{part}"


def vcpus(folder: str) -> int:
    """Return the number of vCPUs of a virtual machine's group, for each of which libvirt makes a group below; 0 if none is seen.

    Args:
        folder: Folder of the group.
    """
    for below in (f"{folder}/libvirt", folder):
        count = sum(name.startswith("vcpu") and name[4:].isdigit() for name in names_in(below))
        if count:
            return count
    return 0


class GuestFolders:
    """The files of all guests. A recorder gives it their energy at each reading.

    Args:
        folder: Where each guest gets a folder.
        meters: The host's meters.
        host: Name of the host's instance.
        complain: Logs once what is wrong.
    """

    def __init__(self, folder: Path, meters: Sequence[Meter], host: str, complain: Callable[[str], None]) -> None:
        self._folder, self._host, self._complain = folder, host, complain
        methods = {meter.component: meter.method for meter in meters}
        self._method = methods.get("cpu")
        self._at_wall = self._method is not None and error_class(*self._method) in AT_WALL
        self._totals: dict[str, int] = {}
        self._read: dict[str, bool] = {}

    def add(self, guest: str, energy: Mapping[str, int | None]) -> int:
        """Add the energy of a guest since the last reading.

        Args:
            guest: Its name.
            energy: Microjoules by component.

        Returns:
            The microjoules that are handed to it.
        """
        if guest not in self._totals:
            self._totals[guest] = self._before(guest)
        handed = sum(energy[component] or 0 for component in HANDED)
        self._totals[guest] += handed
        self._read[guest] = self._read.get(guest, False) or energy["cpu"] is not None
        return handed

    def write(self) -> None:
        """Write the files of each guest whose processor was read since the last call. The others grow old, and guests see it."""
        for guest in [guest for guest, read in self._read.items() if read]:
            try:
                self._write(self._folder / guest, self._totals[guest])
            except OSError as error:
                self._complain(
                    f"energy for guests cannot be written to '{self._folder}' ({error.strerror}): it is handed on later"
                )
                break
        self._read.clear()

    def _before(self, guest: str) -> int:
        try:
            return int(json.loads((self._folder / guest / FILE).read_bytes())["energy_uj"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    def _write(self, folder: Path, total_uj: int) -> None:
        if not folder.is_dir():
            folder.mkdir(parents=True)
            _replace(folder / "name", "package-0")
            _replace(folder / "max_energy_range_uj", str(_RANGE_UJ))
        status, method = self._method or ("missing", "none")
        facts = {"energy_uj": total_uj, "written_ns": time.time_ns(), "wall": self._at_wall, "host": self._host}
        _replace(folder / "energy_uj", str(total_uj))
        _replace(folder / FILE, json.dumps({**facts, "status": status, "method": method}))


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}")
    draft.write_text(f"{text}\n", encoding="utf-8")
    draft.chmod(0o644)
    draft.replace(path)
