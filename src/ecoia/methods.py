"""Methods: how the energy of a component was obtained. One table states each method's name, status and class of error.

A record keeps a method's status and name only, so the class is looked up when figures are assessed. A new meter declares
its method here; its name says nothing about its error.

Example:
    >>> error_class("measured", "rapl")
    'counters'
"""

from __future__ import annotations

from ecoia.semconv import DECLARED, ESTIMATED, MEASURED, MISSING
from ecoia.typing_light import NamedTuple


class Method(NamedTuple):
    """How one component's energy was obtained.

    Attributes:
        status: One of ``semconv.STATUSES``.
        name: The method's name, e.g. ``rapl``; for a missing component, why it is missing.
    """

    status: str
    name: str


NOT_MEASURED = Method(MISSING, "none")
"""The method of a component that nothing measures."""

WITHDRAWN = Method(MISSING, "withdrawn")
"""The method of declared energy that was withdrawn: there is none of it."""

UNKNOWN_ERROR_CLASS = "generic-model"
"""Class of error of a method that this version does not know: the widest of any method of ours."""

_ERROR_CLASSES: dict[str, str] = {}


def _method(status: str, name: str, error_class: str) -> Method:
    """Declare a method and the class of its error, a name of ``catalogue.error_widths.GSD``."""
    _ERROR_CLASSES[name] = error_class
    return Method(status, name)


RAPL = _method(MEASURED, "rapl", "counters")
RAPL_DRAM = _method(MEASURED, "rapl-dram", "counters")
NVML = _method(MEASURED, "nvml", "counters")
NVML_POWER = _method(MEASURED, "nvml-power", "counters")
NVML_MIG_SHARE = _method(ESTIMATED, "nvml-mig-share", "model")
AMDSMI = _method(MEASURED, "amdsmi", "counters")
WATTMETER = _method(MEASURED, "wattmeter:undivided", "wattmeter")

_SERVER_SHARE_CLASSES = {
    **dict.fromkeys(("haswell", "broadwell", "skylake", "cascadelake", "icelake"), "server-share"),
    **dict.fromkeys(("sapphirerapids", "emeraldrapids", "graniterapids"), "server-share"),
    **dict.fromkeys(("zen1", "zen2", "zen3", "zen4", "zen5", "neoverse-n1"), "server-share"),
    **dict.fromkeys(("intel", "amd"), "server-share-vendor"),
    **dict.fromkeys(("arm", "generic"), "server-share-generic"),
}
SERVER_SHARE = {row: _method(ESTIMATED, f"server-share:{row}", each) for row, each in _SERVER_SHARE_CLASSES.items()}
SERVER_SHARE_RAM = {row: _method(ESTIMATED, f"server-share-ram:{row}", each) for row, each in _SERVER_SHARE_CLASSES.items()}
"""A virtual machine's share of its server's processors, and its memory beyond that share, by row of ``server_share.csv``."""

GUEST_SHARE = _method(ESTIMATED, "guest-share:ecoia", "guest-share")
GUEST_SHARE_AT_WALL = _method(ESTIMATED, "guest-share:ecoia-wall", "guest-share-wall")
"""What the host of a virtual machine hands to it, from its counters or at the wall (``ecoia watch --guests``)."""

HANDED_TO_GUEST = Method(MISSING, "handed-to-guest")
"""In a host's records, the energy of a virtual machine that the host hands to it: the guest's records have it."""

HOST_MODEL = _method(ESTIMATED, "host-model:calibrated", "host-model")
"""A host's power at the wall by its load, as the site measured it (``ecoia calibrate``); in a guest, its share of that host."""

LOAD_MODEL = _method(ESTIMATED, "load-model:tdp", "model")
LOAD_MODEL_GENERIC = _method(ESTIMATED, "load-model:generic-tdp", "generic-model")
RAM_MODEL = _method(ESTIMATED, "ram-model", "model")
CODECARBON_MACHINE = _method(ESTIMATED, "codecarbon:machine", "generic-model")
CODECARBON_PROCESS = _method(ESTIMATED, "codecarbon:process", "generic-model")
"""Energy of an imported history of codecarbon: of the whole machine, and of a process. Its files do not say how it was found."""
CODECARBON_UNDIVIDED = _method(ESTIMATED, "codecarbon:undivided", "generic-model")
SIMULATED = _method(ESTIMATED, "simulated", "model")
KWH = _method(DECLARED, "kwh", "declared")
KWH_UNDIVIDED = _method(DECLARED, "kwh:undivided", "declared")
POWER_MODEL = _method(DECLARED, "power-model", "declared")

AT_WALL = frozenset({"wattmeter", "guest-share-wall", "host-model", *_SERVER_SHARE_CLASSES.values()})
"""Classes of error of methods that give energy at the wall, so that no wall factor applies to it."""

METHODS = tuple(_ERROR_CLASSES)
"""Names of every method that gives energy, in the order of declaration."""


def error_class(status: str, name: str) -> str:
    """Return the class of error of a method, a name of ``catalogue.error_widths.GSD``.

    Args:
        status: Status as recorded. Whatever is declared by hand has the class ``declared``.
        name: Name as recorded. A name that this version does not know gets ``UNKNOWN_ERROR_CLASS``.

    Example:
        >>> error_class("measured", "from-a-later-version")
        'generic-model'
    """
    if status == DECLARED:
        return "declared"
    return _ERROR_CLASSES.get(name, UNKNOWN_ERROR_CLASS)
