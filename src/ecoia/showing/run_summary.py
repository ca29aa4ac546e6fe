"""The figures of one run or span as an object: numbers for programs, a line for terminals, a card for notebooks."""

from __future__ import annotations

import html

from ecoia.readable.run_line import RunFigures, co2e_text, duration_text, energy_text, method_text, run_line
from ecoia.units import wh

_COLOURS = {"gpu": "#5b3a8e", "cpu": "#00695c", "ram": "#b26a00"}
_CARD = (
    "font:14px/1.45 system-ui,sans-serif;color:#1b1b1b;background:#fff;border:1px solid #b5b5b5;border-radius:6px;"
    "padding:.7rem .9rem;max-width:30rem"
)


class RunSummary:
    """The figures of a run or a span that is over.

    Args:
        figures: The figures.
        run_id: MLflow's id of the run; None outside any.
        page: Address of the run's page; None where no server shows it.
        comparison: How it compares with earlier runs; empty without any.

    Attributes:
        figures: The figures, by component and with methods.
        run_id: MLflow's id of the run; None outside any.
        page: Address of the run's page; None where no server shows it.
        comparison: How it compares with the earlier runs of this user here; empty without any.
    """

    def __init__(self, figures: RunFigures, run_id: str | None, page: str | None, comparison: str) -> None:
        self.figures = figures
        self.run_id = run_id
        self.page = page
        self.comparison = comparison

    @property
    def energy_wh(self) -> float | None:
        """Energy in Wh; None where none is known."""
        total = self.figures.total_microjoules
        return None if total is None else wh(total)

    @property
    def co2e_g(self) -> float | None:
        """CO2e in grams; None where it is not computed."""
        return self.figures.co2e_g

    @property
    def co2e_range_g(self) -> tuple[float, float] | None:
        """The 95 % interval of the CO2e in grams; None where it is not computed."""
        return self.figures.co2e_range_g

    @property
    def method(self) -> str:
        """How the energy was obtained, such as ``estimated (load model)``."""
        return method_text(self.figures.methods)

    def __str__(self) -> str:
        """Return the line of a terminal."""
        return run_line(self.figures)

    def __repr__(self) -> str:
        return f"<{self}>"

    def _repr_html_(self) -> str:
        """Return the card of a notebook: no script, no address but the run's page, every text escaped."""
        figures = self.figures
        total = figures.total_microjoules
        head = "energy not measured" if total is None else energy_text(total)
        lines = [co2e_text(figures)] if total is not None else []
        if figures.seconds is not None:
            lines.append(f"{duration_text(figures.seconds)}; {self.method}")
        whose = ", ".join([*figures.services, *figures.phases])
        lines += [line for line in (self.comparison, whose, "simulated data" if figures.simulated else "") if line]
        body = "".join(f"<div>{html.escape(line)}</div>" for line in lines)
        link = f'<div><a href="{html.escape(self.page)}">The run in MLflow</a></div>' if self.page else ""
        return (
            f'<div style="{_CARD}"><div style="color:#595959">ecoia</div>'
            f'<div style="font-size:1.5rem;font-weight:600">{html.escape(head)}</div>{self._bar()}{body}{link}</div>'
        )

    def _bar(self) -> str:
        """Return a bar of the components, with their names and figures below."""
        known = {name: self.figures.energy_microjoules.get(name) for name in _COLOURS}
        shown = {name: energy for name, energy in known.items() if energy}
        total = sum(shown.values())
        if len(shown) < 2:
            return ""
        parts = "".join(
            f'<span style="height:.6rem;width:{100 * energy / total:.1f}%;background:{_COLOURS[name]}"></span>'
            for name, energy in shown.items()
        )
        names = " ".join(
            f'<span style="color:{_COLOURS[name]};white-space:nowrap">■ {name.upper()} {energy_text(energy)}</span>'
            for name, energy in shown.items()
        )
        return f'<div style="display:flex;margin:.3rem 0">{parts}</div><div>{names}</div>'
