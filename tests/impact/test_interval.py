"""How often the stated 95 % interval holds the truth, when the truth is drawn from another model than the estimator's.

The estimator (``ecoia.impact.assessment``) takes errors as lognormal, multiplicative, and shared by all energy of one method.
Nature, here, knows no lognormal: it draws machines.
What a method gets wrong in common has the relative spread that its GSD stands
for, and that is all that the two have in common:

* it is skewed, triangular or uniform, and on top of it, unknown to the estimator, come a curve of the load (so the energy of
  one method is not wrong by one factor), a constant power by host (so it is added, not multiplied) and noise by reading;
* so is the efficiency of power supplies: a deviation in common, a curve of the load, an offset by host;
* PUE and grid factor deviate by triangular, uniform and skewed amounts, services by uniform ones.

``python -m pytest tests/impact/test_interval.py -rP`` prints the figures of docs/measurement.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import pytest
from numpy.typing import NDArray

from ecoia.catalogue import Calibration
from ecoia.catalogue.error_widths import GSD
from ecoia.factors import FactorSet
from ecoia.impact.assessment import Impact, assess
from ecoia.impact.energy_cells import WALL_FACTOR
from ecoia.impact.parameters import AssessmentParameters
from ecoia.impact.uncertainty import Interval
from ecoia.methods import Method, error_class
from ecoia.records import Row, fold
from support.factor_sets import factor
from support.records import GENERIC, LOAD, NVML, RAPL, kwh, record

Draws = NDArray[np.float64]

PORTFOLIOS, SERVICES, HOSTS, DRAWS = 20, 28, 6, 4000
PUE, MEASURED_WALL = 1.3, {"cpu": 1.42, "gpu": 1.21}
FACTORS = FactorSet([factor("FRA", 2026, 40.0), factor("DEU", 2025, 380.0)])  # of the year, of the year before
SHAPES = ("skewed", "triangular", "uniform")
CURVE, OFFSET, NOISE = 0.3, 0.25, 0.25
"""Deviations on top of the common one, as shares of its spread."""

CALIBRATIONS = [
    Calibration(component=component, wall_factor=wall, source="PV 12", date=date(2026, 6, 15))
    for component, wall in (("cpu", MEASURED_WALL["cpu"]), ("gpu", MEASURED_WALL["gpu"]))
]


@dataclass(frozen=True)
class Cell:
    """Energy as recorded: of one service, by one method, on one host, at its mean load."""

    service: int
    host: int
    component: str
    method: Method
    kilowatt_hours: float
    load: float
    hours: float
    zone: str


def portfolio(random: np.random.Generator) -> list[Cell]:
    """28 services on 6 hosts; a host has one way of measuring its CPU, half of the services use a GPU as well."""
    methods = [RAPL, LOAD, GENERIC]
    of_host = [methods[i] for i in random.choice(3, HOSTS, p=[0.5, 0.35, 0.15])]
    zones = random.choice(["FRA", "DEU"], HOSTS, p=[0.8, 0.2])
    cells = []
    for service in range(SERVICES):
        host = int(random.integers(HOSTS))
        for component in ("cpu", "gpu")[: random.integers(1, 3)]:
            cells.append(
                Cell(
                    service,
                    host,
                    component,
                    of_host[host] if component == "cpu" else NVML,
                    float(random.lognormal(0, 1.2)),
                    load=float(random.uniform(0.1, 1)),
                    hours=float(random.uniform(1, 24)),
                    zone=str(zones[host]),
                )
            )
    return cells


def rows_of(cells: list[Cell]) -> list[Row]:
    """Ledger rows of the cells."""
    return fold(
        record(
            cpu=kwh(cell.kilowatt_hours) if cell.component == "cpu" else None,
            gpu=kwh(cell.kilowatt_hours) if cell.component == "gpu" else None,
            ram=None,
            methods={cell.component: cell.method},
            service=f"service-{cell.service}",
            instance=f"host-{cell.host}",
            zone=cell.zone,
        )
        for cell in cells
    )


def spread(gsd: float) -> float:
    """The relative standard deviation that a geometric one stands for."""
    return math.sqrt(math.expm1(math.log(gsd) ** 2))


class Nature:
    """Truths that could have stood behind the same records, drawn ``DRAWS`` times."""

    def __init__(self, random: np.random.Generator, cells: list[Cell]) -> None:
        self.random = random
        self.cells = cells
        loads = np.array([cell.load for cell in cells])
        self.tilts = (loads - loads.mean()) / loads.std()

    # Shapes, each of mean 0 and standard deviation 1. None is lognormal.

    def uniform(self) -> Draws:
        return self.random.uniform(-math.sqrt(3), math.sqrt(3), DRAWS)

    def triangular(self) -> Draws:
        return self.random.triangular(-math.sqrt(6), 0, math.sqrt(6), DRAWS)

    def skewed(self) -> Draws:
        width = math.sqrt(18)
        return self.random.triangular(-width / 3, -width / 3, 2 * width / 3, DRAWS)

    def curves(self, shape: str) -> list[Draws]:
        """A deviation of each cell: one in common, of this shape, and on top a curve of the load, an offset, and noise."""
        shared: Draws = getattr(self, shape)()
        tilt, offsets = self.uniform(), [self.triangular() for _ in range(HOSTS)]
        deviations = []
        for cell, at_load in zip(self.cells, self.tilts, strict=True):
            # A constant power weighs the more the less energy there is.
            weight = self.offset_weights[cell.host] * cell.hours / cell.kilowatt_hours
            on_top = CURVE * at_load * tilt + OFFSET * weight * offsets[cell.host] + NOISE * self.uniform()
            deviations.append(shared + on_top)
        return deviations

    @property
    def offset_weights(self) -> Mapping[int, float]:
        """By host: what makes its constant power the same share of its energy."""
        hosts: dict[int, list[Cell]] = {}
        for cell in self.cells:
            hosts.setdefault(cell.host, []).append(cell)
        return {
            host: sum(cell.kilowatt_hours for cell in placed) / sum(cell.hours for cell in placed)
            for host, placed in hosts.items()
        }

    def components(self, shape: str, *, counters: bool = True) -> list[Draws]:
        """The true energy of each cell's component; without ``counters``, theirs is what was read."""
        curves = {name: self.curves(shape) for name in sorted({error_class(c.method.status, c.method.name) for c in self.cells})}
        own = [self.uniform() for _ in range(SERVICES)]
        energies = []
        for index, cell in enumerate(self.cells):
            name = error_class(cell.method.status, cell.method.name)
            wrong = spread(GSD[name]) if counters or name != "counters" else 0.0
            energies.append(
                cell.kilowatt_hours * (1 + wrong * curves[name][index]) * (1 + spread(GSD["own"]) * own[cell.service])
            )
        return energies

    def co2e(self, at_wall: list[Draws]) -> Draws:
        """Kilograms, from the true energy of each cell at the wall."""
        pue = PUE * (1 + spread(GSD["pue-declared"]) * self.triangular())
        grams = {
            "FRA": 40 * (1 + spread(GSD["grid-same-year"]) * self.uniform()),
            "DEU": 380 * (1 + spread(GSD["grid-previous-year"]) * self.skewed()),
        }
        return sum(
            (energy * pue * grams[cell.zone] / 1000 for cell, energy in zip(self.cells, at_wall, strict=True)), np.zeros(DRAWS)
        )


def covered(bounds: Interval | None, truth: Draws) -> tuple[float, float, float]:
    """Shares of the draws within the interval, below and above it."""
    assert bounds is not None
    below, above = float(np.mean(truth < bounds.low)), float(np.mean(truth > bounds.high))
    return 1 - below - above, below, above


def impact(cells: list[Cell], *, calibrations: list[Calibration]) -> Impact:
    return assess(rows_of(cells), AssessmentParameters(pue=PUE, factors=FACTORS, calibrations=calibrations))


def over_portfolios(what: str, shape: str) -> tuple[float, list[float]]:
    """Mean coverage and that of each portfolio."""
    random = np.random.default_rng(20261125)
    found = []
    for _ in range(PORTFOLIOS):
        cells = portfolio(random)
        nature = Nature(random, cells)
        if what == "energy of components":
            bounds, truth = (
                impact(cells, calibrations=[]).energy_components_interval,
                sum(nature.components(shape), np.zeros(DRAWS)),
            )
        elif what == "CO2e, calibrated":
            # The campaign compared the counters themselves with the wall: what is left is how machines differ from it.
            components = nature.components(shape, counters=False)
            wall = {component: nature.curves(shape) for component in MEASURED_WALL}
            at_wall = [
                energy * MEASURED_WALL[cell.component] * (1 + spread(GSD["calibration"]) * wall[cell.component][index])
                for index, (cell, energy) in enumerate(zip(cells, components, strict=True))
            ]
            bounds, truth = impact(cells, calibrations=CALIBRATIONS).co2e_interval, nature.co2e(at_wall)
        else:
            # From no loss at all to the published ratio, by host: the interval knows no more than that.
            loss = random.uniform(0, 1, HOSTS)
            at_wall = [
                energy * (1 + loss[cell.host] * (WALL_FACTOR[cell.component] - 1))
                for cell, energy in zip(cells, nature.components(shape), strict=True)
            ]
            bounds, truth = impact(cells, calibrations=[]).co2e_interval, nature.co2e(at_wall)
        found.append(covered(bounds, truth))
    shares = [share for share, _, _ in found]
    below, above = np.mean([b for _, b, _ in found]), np.mean([a for _, _, a in found])
    mean = float(np.mean(shares))
    tails = f"truth below {below:.1%}, above {above:.1%}"
    print(f"{what}, {shape}: {mean:.1%} ({tails}; portfolios {min(shares):.1%} to {max(shares):.1%})")
    return mean, shares


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("what", ["energy of components", "CO2e, calibrated"])
def test_the_interval_holds_a_truth_of_another_model_95_times_in_100(what: str, shape: str) -> None:
    mean, shares = over_portfolios(what, shape)
    assert 0.93 <= mean <= 0.97
    assert min(shares) >= 0.9


@pytest.mark.parametrize("shape", SHAPES)
def test_without_a_calibration_the_interval_holds_the_truth_at_the_wall_at_least_as_often(shape: str) -> None:
    mean, _ = over_portfolios("CO2e, not calibrated", shape)
    assert mean >= 0.95
