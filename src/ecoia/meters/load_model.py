"""The load model of the CPU: power from the load and the thermal design power (TDP), as codecarbon computes it.

The figures are codecarbon's, the code is ecoia's: codecarbon itself needs 16 MiB and 0.2 s in the measured process. Tests compare
both, over all loads.
"""

from __future__ import annotations

from ecoia.light import TYPE_CHECKING
from ecoia.meters import hardware
from ecoia.meters.meter import GROUP, HOST, Meter
from ecoia.meters.tdp import tdp_watts
from ecoia.methods import LOAD_MODEL, LOAD_MODEL_GENERIC, RAPL, Method

if TYPE_CHECKING:
    from pathlib import Path

REST_SHARE = 0.1
"""Power at rest over the TDP."""

GENERIC_CPU_WATTS = 4
"""TDP for each logical CPU of a processor that the table does not name."""

_STEP_NS = 1_000_000_000
"""Step of the load model. The model isn't linear in the load, so a fixed step makes its sum independent of the readings."""


class LoadMeter(Meter):
    """The load model of the CPU: 10 % of the thermal design power (TDP) at rest, a cubic of the load above.

    The model is integrated in steps of one second, however often it is read. A reading inside a step returns the energy of the
    step so far; the end of the step corrects it. An excess is deducted from later readings, which are never negative.

    Args:
        tdp_watts: TDP of all sockets; with ``domain`` ``GROUP``, the group's part of it.
        known: Whether the table of processors names the CPU.
        domain: ``HOST`` or ``GROUP``: what the load and the power stand for.
    """

    component = "cpu"

    def __init__(self, tdp_watts: float, known: bool, domain: str = HOST) -> None:
        self.method = LOAD_MODEL if known else LOAD_MODEL_GENERIC
        self.domain = domain
        self._tdp_watts = tdp_watts
        self._step_ns = 0
        self._busy_ns = 0.0
        self._settled_uj = 0.0
        self._given_uj = 0

    def read(self, seconds: float, load: float) -> int | None:
        """See ``Meter.read``. A late reading is cut into steps of its mean load."""
        left_ns = round(seconds * 1e9)
        while left_ns > 0:
            # Whole steps of one load are equal, so a process that was stopped for a day needs no loop over the day.
            whole = left_ns // _STEP_NS if self._step_ns == 0 else 0
            if whole:
                self._settled_uj += self._watts(load) * whole * 1e6
                left_ns -= whole * _STEP_NS
                continue
            part_ns = min(left_ns, _STEP_NS - self._step_ns)
            self._step_ns += part_ns
            self._busy_ns += load * part_ns
            left_ns -= part_ns
            if self._step_ns == _STEP_NS:
                self._settled_uj += self._step_uj()
                self._step_ns, self._busy_ns = 0, 0.0
        energy_uj = max(round(self._settled_uj + self._step_uj()) - self._given_uj, 0)
        self._given_uj += energy_uj
        return energy_uj

    def _step_uj(self) -> float:
        return self._watts(self._busy_ns / self._step_ns) * self._step_ns / 1e3 if self._step_ns else 0.0

    def _watts(self, load: float) -> float:
        return self._tdp_watts * (REST_SHARE + (1 - REST_SHARE) * load**3)


def load_meter(root: str | Path = hardware.ROOT, group: hardware.ControlGroup | None = None) -> LoadMeter:
    """Return the load model of the host's CPU; in a control group with a quota, of the part that the group may use.

    Args:
        root: Folder that holds ``/proc`` and ``/sys``.
        group: The control group; None: the group of this process.
    """
    known_watts = tdp_watts(hardware.cpu_model(root))
    host_watts = GENERIC_CPU_WATTS * hardware.cpu_count() if known_watts is None else known_watts * hardware.socket_count(root)
    share = (group or hardware.control_group(root)).share
    if share is None:
        return LoadMeter(host_watts, known_watts is not None)
    return LoadMeter(host_watts * share, known_watts is not None, GROUP)


def explain(method: Method, root: str | Path = hardware.ROOT) -> tuple[str, str | None]:
    """Return why the CPU has this method, and how to get a better one (None: there is none)."""
    if method == RAPL:
        return "the kernel's RAPL counters are readable", None
    files = hardware.energy_counter_files(root)
    readable = hardware.read_counters(root)
    hidden = [file for file in files if file not in readable]
    if hidden:
        return (
            f"RAPL counters exist but {len(hidden)} of {len(files)} cannot be read by this user",
            f"sudo chmod a+r {hardware.powercap_folder(root)}/*/energy_uj  (until reboot; a tmpfiles.d rule makes it last)",
        )
    model = hardware.cpu_model(root)
    why = f"no RAPL counters under {hardware.powercap_folder(root)} (a virtual machine or container hides them)"
    share = hardware.control_group(root).share
    if share is not None:
        why += f"; the control group's quota is {share:.1%} of the host, which is what is modelled"
    if method == LOAD_MODEL:
        return f"{why}; power is modelled from the load and the thermal design power of '{model}'", "measure on the physical host"
    return (
        f"{why}; CPU model '{model}' is in no power table, so a generic power per core is used",
        "ask the host's operator to pass powercap through, or measure on the physical host",
    )
