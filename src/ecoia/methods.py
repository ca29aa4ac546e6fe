"""Methods: how the energy of a component was obtained. One table states each method's name, status and class of error.

A record keeps a method's status and name only, so the class is looked up when figures are assessed. A new meter declares
its method here; its name says nothing about its error.

Example:
    >>> error_class("measured", "rapl")
    'counters'
"""

from __future__ import annotations

from ecoia.light import NamedTuple
from ecoia.semconv import DECLARED, ESTIMATED, MEASURED, MISSING


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

TOKEN_WEIGHTED, WEIGHTED, WEIGHTS_MISSING = "token-weighted", "weighted", "weights-missing"
"""Ways in which requests share the energy of a device: by the weights of their tokens; by weights that the program gave; by
time in flight, for want of weights."""

_FEW, _UNKNOWN_BATCH, _CACHE_UNKNOWN, _FITTED = "few", "w=0.1", "cache-unknown", "fitted"
_MOST_FEW = 4.0
"""With no more spans in flight than this, time in flight says nearly what each of them cost."""


def token_weighted(kappa: float, in_flight: float | None, *, cached_known: bool = True, fitted: bool = False) -> str:
    """Name the way of sharing by tokens.

    Args:
        kappa: Energy of reading the model's weights once over that of computing a token.
        in_flight: Mean number of requests in flight; None: not known, so an input token counts as a tenth of an output token.
        cached_known: Whether every request told how many of its tokens the cache spared.
        fitted: Whether kappa was fitted on this server.

    Example:
        >>> token_weighted(100.0, 5.3), token_weighted(100.0, None, cached_known=False)
        ('token-weighted:kappa=100', 'token-weighted:w=0.1:cache-unknown')
    """
    known = f"kappa={kappa:.4g}" + (f":{_FITTED}" if fitted else "")
    parts = [TOKEN_WEIGHTED, _UNKNOWN_BATCH if in_flight is None else known]
    if not cached_known:
        parts.append(_CACHE_UNKNOWN)
    return ":".join(parts)


def weights_missing(in_flight: float | None) -> str:
    """Name the way of sharing by time in flight, for want of weights.

    Example:
        >>> weights_missing(1.5), weights_missing(48.0)
        ('weights-missing:few', 'weights-missing')
    """
    return f"{WEIGHTS_MISSING}:{_FEW}" if in_flight is not None and in_flight <= _MOST_FEW else WEIGHTS_MISSING


def shared_by(method: Method, way: str) -> Method:
    """Return the method of energy that a meter gave and that requests share in some way.

    Example:
        >>> shared_by(NVML, "weights-missing").name
        'nvml+weights-missing'
    """
    return Method(method.status, f"{method.name}+{way}")


def sharing_error(component: str, name: str) -> str:
    """Return the source of error, a name of ``catalogue.error_widths.GSD``, of sharing the energy of a component.

    Args:
        component: One of ``semconv.COMPONENTS``.
        name: The method's name, as recorded.

    Example:
        >>> sharing_error("cpu", "rapl"), sharing_error("gpu", "nvml+token-weighted:w=0.1"), sharing_error("gpu", "nvml+of-later")
        ('attribution-cpu', 'attribution-gpu-guessed', 'attribution-gpu-in-flight')
    """
    way, *told = name.partition("+")[2].split(":")
    if way in ("", WEIGHTED) or (way == WEIGHTS_MISSING and _FEW in told):
        return f"attribution-{component}"
    if way != TOKEN_WEIGHTED:
        return "attribution-gpu-in-flight"
    if {_UNKNOWN_BATCH, _CACHE_UNKNOWN} & {*told}:
        return "attribution-gpu-guessed"
    return "attribution-gpu-fitted" if _FITTED in told else "attribution-gpu"


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
        >>> error_class("measured", "nvml+token-weighted:kappa=100")  # sharing has an error of its own: ``sharing_error``
        'counters'
    """
    if status == DECLARED:
        return "declared"
    return _ERROR_CLASSES.get(name.partition("+")[0], UNKNOWN_ERROR_CLASS)
