"""The figures of one run in one line, for terminals, notes and pages, with each figure in a unit that people read.

Plain functions of figures: whoever measures, delivers or shows a run can import them, and nothing heavy comes along.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ecoia.readable.scales import decimals_for, scale_of
from ecoia.semconv import ESTIMATED, MISSING, SERVICE_UNASSIGNED, STATUSES
from ecoia.units import MICROJOULES_PER_WH

_MODELS = {
    "load-model": "load model",
    "nvml-mig-share": "share of a GPU",
    "ram-model": "memory model",
    "server-share": "share of a server",
    "simulated": "simulated",
}
_NO_CO2E = {
    "no-zone": "no zone, set ECOIA_ZONE",
    "no-factor": "no emission factor for the zone",
    "factor-gap": "no emission factor for some hours",
    "catalogue": "with the catalogue's factors, on the run's page",
}
_SHOWN_ORDER = ("gpu", "cpu", "ram")


class RunFigures(NamedTuple):
    """The figures of a run that its line shows.

    Attributes:
        energy_microjoules: By component; None where nothing is known.
        methods: By component, the status and name of its least certain method.
        seconds: How long it took; None: not known.
        co2e_g: Grams of CO2e; None: not computed.
        co2e_range_g: Its 95 % interval.
        factors: Zone and year of each emission factor, such as ``FRA 2025``.
        no_co2e: Why there is no CO2e: a reason of ``ecoia.impact.assessment.Impact``.
        services: Whose work it was.
        phases: The phases of that work.
        simulated: Whether some of the data is made up.
    """

    energy_microjoules: Mapping[str, int | None]
    methods: Mapping[str, tuple[str, str]]
    seconds: float | None = None
    co2e_g: float | None = None
    co2e_range_g: tuple[float, float] | None = None
    factors: Sequence[str] = ()
    no_co2e: str | None = None
    services: Sequence[str] = ()
    phases: Sequence[str] = ()
    simulated: bool = False

    @property
    def total_microjoules(self) -> int | None:
        """The energy of all components; None where none is known."""
        known = [energy for energy in self.energy_microjoules.values() if energy is not None]
        return sum(known) if known else None


def run_line(figures: RunFigures) -> str:
    """Write a run's energy, CO2e, duration, method, service and phase in one line.

    Example:
        >>> run_line(
        ...     RunFigures(
        ...         {"gpu": 35_280_000_000, "cpu": 6_840_000_000, "ram": 2_520_000_000},
        ...         {"gpu": ("measured", "nvml"), "cpu": ("measured", "rapl"), "ram": ("estimated", "ram-model")},
        ...         seconds=842,
        ...         co2e_g=0.64,
        ...         co2e_range_g=(0.45, 0.83),
        ...         factors=["FRA 2025"],
        ...         services=["vadore"],
        ...         phases=["training"],
        ...     )
        ... )
        'ecoia: 12.4 Wh (GPU 9.8, CPU 1.9, RAM 0.7), 0.64 g CO2e [0.45-0.83] FRA 2025, 14 min 02 s, GPU and CPU measured, RAM estimated; vadore, training'
    """  # noqa: E501
    parts = [_energy_and_components(figures)]
    if figures.total_microjoules is not None:
        parts.append(co2e_text(figures))
    if figures.seconds is not None:
        parts.append(duration_text(figures.seconds))
    if figures.total_microjoules is not None:
        parts.append(method_text(figures.methods))
    if figures.simulated:
        parts.append("simulated data")
    whose = ", ".join([*map(_service_text, figures.services), *figures.phases])
    return f"ecoia: {', '.join(parts)}" + (f"; {whose}" if whose else "")


def _service_text(service: str) -> str:
    return 'service unassigned: ecoia.autolog(service="...")' if service == SERVICE_UNASSIGNED else service


def _energy_and_components(figures: RunFigures) -> str:
    total = figures.total_microjoules
    if total is None:
        return "energy not measured"
    scale, unit = _energy_unit(total)
    decimals = _decimals(total / scale, 3)
    known = [(c, energy) for c in _SHOWN_ORDER if (energy := figures.energy_microjoules.get(c)) is not None]
    shown = ", ".join(f"{component.upper()} {energy / scale:.{decimals}f}" for component, energy in known)
    return f"{number(total / scale)} {unit}" + (f" ({shown})" if len(known) > 1 else f" ({known[0][0].upper()})")


def co2e_text(figures: RunFigures) -> str:
    """Write CO2e with its interval and factors, or why there is none.

    Example:
        >>> co2e_text(RunFigures({}, {}, no_co2e="no-zone"))
        'CO2e: no zone, set ECOIA_ZONE'
    """
    if figures.co2e_g is None:
        return f"CO2e: {_NO_CO2E.get(figures.no_co2e or '', 'not computed')}"
    scale, unit = _mass_unit(figures.co2e_g)
    text = f"{number(figures.co2e_g / scale, 2)} {unit} CO2e"
    if figures.co2e_range_g is not None:
        text += f" [{range_text(figures.co2e_range_g, scale)}]"
    return " ".join([text, *([", ".join(figures.factors)] if figures.factors else [])])


def range_text(bounds: tuple[float, float], scale: float = 1.0) -> str:
    """Write the bounds of an interval, each over ``scale``, with two digits.

    Example:
        >>> range_text((450, 830), 1000)
        '0.45-0.83'
    """
    return "-".join(number(bound / scale, 2) for bound in bounds)


def energy_text(microjoules: float) -> str:
    """Write an energy in the unit that suits it, such as mWh, Wh or kWh.

    Example:
        >>> energy_text(273_600_000), energy_text(44_640_000_000), energy_text(6_912_000_000_000)
        ('76.0 mWh', '12.4 Wh', '1.92 kWh')
    """
    scale, unit = _energy_unit(microjoules)
    return f"{number(microjoules / scale)} {unit}"


def mass_text(grams: float) -> str:
    """Write a mass in the unit that suits it, such as mg, g or kg, with two digits.

    Example:
        >>> mass_text(0.0312), mass_text(98), mass_text(1234)
        ('31 mg', '98 g', '1.2 kg')
    """
    scale, unit = _mass_unit(grams)
    return f"{number(grams / scale, 2)} {unit}"


def duration_text(seconds: float) -> str:
    """Write a duration.

    Example:
        >>> duration_text(1.04), duration_text(842), duration_text(7500), duration_text(266400)
        ('1.04 s', '14 min 02 s', '2 h 05 min', '3 d 02 h')
    """
    if seconds < 59.95:  # above, three digits would read 60.0
        return f"{number(seconds)} s"
    whole = round(seconds)
    for unit, size, part, part_size in (("d", 86_400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // part_size:02d} {part}"
    return f"{whole} s"


def method_text(methods: Mapping[str, tuple[str, str]]) -> str:
    """Write how the energy was obtained.

    Args:
        methods: By component, status and name.

    Example:
        >>> method_text({"cpu": ("estimated", "load-model:tdp"), "ram": ("estimated", "ram-model")})
        'estimated (load model)'
    """
    by_status: dict[str, list[str]] = {}
    for component in _SHOWN_ORDER:
        status, _ = methods.get(component, (MISSING, ""))
        if status != MISSING:
            by_status.setdefault(status, []).append(component)
    if not by_status:
        return "not measured"
    if len(by_status) == 1:
        ((status, components),) = by_status.items()
        main = "cpu" if "cpu" in components else components[0]
        model = _MODELS.get(methods[main][1].partition(":")[0])
        return f"{status} ({model})" if status == ESTIMATED and model else status
    return ", ".join(
        f"{' and '.join(component.upper() for component in by_status[status])} {status}"
        for status in STATUSES
        if status in by_status
    )


def number(value: float, digits: int = 3) -> str:
    """Write a number with some significant digits and no exponent.

    Example:
        >>> number(12.44), number(0.6401, 2), number(1234.5), number(0.00002), number(0)
        ('12.4', '0.64', '1234', '<0.001', '0')
    """
    if value == 0:
        return "0"
    if abs(value) < 0.001:
        return "<0.001"
    return f"{value:.{_decimals(value, digits)}f}"


def _decimals(value: float, digits: int) -> int:
    """Return the decimals that show some significant digits of a number, no more than five."""
    return min(decimals_for(value, digits), 5)


def _energy_unit(microjoules: float) -> tuple[float, str]:
    unit, size = scale_of([microjoules / MICROJOULES_PER_WH], "Wh", kept="Wh")
    return size * MICROJOULES_PER_WH, unit


def _mass_unit(grams: float) -> tuple[float, str]:
    unit, size = scale_of([grams], "gCO2e", figures=2, kept="gCO2e")
    return size, unit.removesuffix("CO2e")
