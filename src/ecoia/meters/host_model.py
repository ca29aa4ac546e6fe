"""A host's power at the wall by its load, as the site measured it on this host or on one of its kind.

``ecoia calibrate`` finds the power at rest and the power that each busy hardware thread adds; ``ecoia calibrate --use`` keeps
them in the journal's home. On the host itself, the meter gives the whole machine. A guest, or a control group with a quota, gets
its part of the power at rest by its threads, and what its own busy threads add: the parts of a host add up to the host. The
memory is in it. Graphics cards are only in what they add beyond their own meter, so a host with cards needs a calibration with
cards.
"""

from __future__ import annotations

import os
import time

from ecoia.errors import EcoiaError, JournalError
from ecoia.keeping.file_system import sync
from ecoia.light import TYPE_CHECKING, Any, NamedTuple
from ecoia.light.json import read_json_file
from ecoia.meters import hardware
from ecoia.meters.meter import GROUP, HOST, Absence, Meter
from ecoia.meters.processor import is_guest
from ecoia.methods import HOST_MODEL
from ecoia.semconv import HOST_MODEL_FILE

if TYPE_CHECKING:
    from pathlib import Path

    from ecoia.meters.hardware import ControlGroup

INSIDE = Absence("undivided", "the host's calibrated power includes its memory", None)
"""Why the memory has no meter of its own."""

_MOST_WATTS = 100_000


class HostModel(NamedTuple):
    """The power of one kind of host.

    Attributes:
        cpu_model: Name of its processor, as ``/proc/cpuinfo`` writes it.
        threads: Its hardware threads.
        idle_w: Watts at the wall at rest.
        busy_w: Watts that each busy hardware thread adds.
        gpu_factor: Watts at the wall for each watt of its graphics cards; None: the host had none.
        until_s: Epoch second from which it no longer holds; None: no end is known.
    """

    cpu_model: str
    threads: int
    idle_w: float
    busy_w: float
    gpu_factor: float | None = None
    until_s: float | None = None


class HostModelMeter(Meter):
    """Power from the load, in a straight line.

    Args:
        model: Power of the host.
        threads: Hardware threads that the meter stands for; all those of the host, or the part of a guest or of a control group.
        domain: ``HOST`` (this machine) or ``GROUP``.

    Example:
        >>> host = HostModel("AMD EPYC 7763 64-Core Processor", threads=128, idle_w=128, busy_w=2.0)
        >>> HostModelMeter(host, threads=4).read(seconds=1.0, load=0.5)
        8000000
    """

    component = "cpu"
    method = HOST_MODEL

    def __init__(self, model: HostModel, threads: float, domain: str = HOST) -> None:
        self.domain = domain
        self._idle_watts = model.idle_w * threads / model.threads
        self._load_watts = model.busy_w * threads

    def read(self, seconds: float, load: float) -> int | None:
        """See ``Meter.read``."""
        return round((self._idle_watts + self._load_watts * load) * seconds * 1_000_000)


def stored(home: str | Path) -> HostModel | None:
    """Read the model that a home keeps, of whichever host; None if there is none.

    Args:
        home: Home of the journal.

    Raises:
        EcoiaError: The file can't be used.
    """
    path = f"{home}/{HOST_MODEL_FILE}"
    try:
        data = read_json_file(path)
        model = HostModel(**{name: data.get(name) for name in HostModel._fields})
        _check(model)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise EcoiaError(f"'{path}' cannot be used ({error}): write it again with 'ecoia calibrate --use'") from error
    return model


def _check(model: HostModel) -> None:
    numbers: dict[str, Any] = {name: getattr(model, name) for name in ("threads", "idle_w", "busy_w")}
    numbers |= {name: each for name in ("gpu_factor", "until_s") if (each := getattr(model, name)) is not None}
    for name, number in numbers.items():
        if isinstance(number, bool) or not isinstance(number, int | float) or not number > 0:
            raise ValueError(f"{name} = {number!r} is no number above 0")
    if not isinstance(model.cpu_model, str) or model.idle_w + model.busy_w * model.threads > _MOST_WATTS:
        raise ValueError("it is no power of a host")


def refusal(model: HostModel, threads_per_cpu: int, root: str | Path = hardware.ROOT) -> str | None:
    """Return why a model does not hold for this machine now; None if it does.

    A guest may be shown another name of the processor than its host has, so the name is compared on a physical machine only.

    Args:
        model: The model.
        threads_per_cpu: Hardware threads of a vCPU (setting ``vcpu_threads``).
        root: Folder that holds ``/proc`` and ``/sys``.
    """
    if model.until_s is not None and time.time() >= model.until_s:
        return "it has ended (its 'until')"
    if is_guest(root):
        threads = hardware.cpu_count() * threads_per_cpu
        if threads > model.threads:
            return f"this guest has {threads} threads, more than the {model.threads} of the calibrated host"
    elif (hardware.cpu_model(root), hardware.cpu_count()) != (model.cpu_model, model.threads):
        found = f"{hardware.cpu_count()} threads of '{hardware.cpu_model(root)}'"
        return f"it is of a host with {model.threads} threads of '{model.cpu_model}', and this one has {found}"
    if model.gpu_factor is None and (hardware.gpu_vendors(root) or frozenset()) & {hardware.NVIDIA, hardware.AMD}:
        return "this machine has graphics cards, and the calibrated host had none"
    return None


def meter(
    home: str | Path, threads_per_cpu: int, root: str | Path = hardware.ROOT, group: ControlGroup | None = None
) -> HostModelMeter | None:
    """Return the meter of this machine; in a control group with a quota, of the part that the group may use.

    Args:
        home: Home of the journal.
        threads_per_cpu: Hardware threads of a vCPU (setting ``vcpu_threads``); on a physical machine it does not count.
        root: Folder that holds ``/proc`` and ``/sys``.
        group: The control group; None: the group of this process.

    Returns:
        The meter. None: no model is kept, or it does not hold here; ``ecoia doctor`` says why.
    """
    if not os.path.lexists(f"{home}/{HOST_MODEL_FILE}"):
        return None
    model = stored(home)
    if model is None or refusal(model, threads_per_cpu, root) is not None:
        return None
    each = threads_per_cpu if is_guest(root) else 1
    quota = (group or hardware.control_group(root)).cpus
    if quota is None:
        return HostModelMeter(model, hardware.cpu_count() * each)
    return HostModelMeter(model, quota * each, GROUP)


def explain(home: str | Path, threads_per_cpu: int, root: str | Path = hardware.ROOT) -> str | None:
    """Return what ``ecoia doctor`` says of the model that a home keeps; None if there is none.

    Args:
        home: Home of the journal.
        threads_per_cpu: Hardware threads of a vCPU (setting ``vcpu_threads``).
        root: Folder that holds ``/proc`` and ``/sys``.
    """
    try:
        model = stored(home)
    except EcoiaError as error:
        return str(error)
    if model is None:
        return None
    why = refusal(model, threads_per_cpu, root)
    if why is not None:
        return f"the calibrated host model in the home is not used: {why}"
    return (
        f"a host of this kind was calibrated: {model.idle_w:g} W at rest and {model.busy_w:g} W for each busy one of its "
        f"{model.threads} threads, at the wall"
    )


def store(home: str | Path, model: HostModel) -> str:
    """Keep a model in the journal's home, in place of the one before.

    Args:
        home: Home of the journal; made if it is missing.
        model: The model.

    Returns:
        The file.

    Raises:
        JournalError: The home can't be written.
    """
    import json

    path = f"{home}/{HOST_MODEL_FILE}"
    fresh = f"{home}/.host-model-{os.getpid()}"
    try:
        os.makedirs(home, exist_ok=True)
        with open(fresh, "w", encoding="utf-8") as file:
            file.write(json.dumps(model._asdict(), indent=2, ensure_ascii=False) + "\n")
            file.flush()
            sync(file.fileno())
        os.replace(fresh, path)
    except OSError as error:
        raise JournalError(f"'{path}' cannot be written ({error.strerror}): make it writable, or set ECOIA_HOME") from error
    return path
