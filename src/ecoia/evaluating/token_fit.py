"""Fit on site what the tokens of a language model cost: kappa, from windows of a server whose energy and tokens are known.

By least squares over windows,

    E = p0 t + a prefill + d decode + s steps,    kappa = s / a

with p0 the power at rest, a the energy of a token that is read, d of one that is written, and s of a step, which reads the
model's weights once. Windows that are few, or so alike that they do not tell steps from tokens, are refused.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from ecoia import limits
from ecoia.errors import EcoiaError
from ecoia.keeping.csv_lines import CsvError, csv_lines
from ecoia.semconv import KAPPA_FILE

COLUMNS = ("seconds", "joules", "tokens_read", "tokens_out", "in_flight")
"""Columns of the file of windows: how long, energy of the cards, tokens read (none cached) and written, mean in flight."""

LEAST_WINDOWS = 30
_LEAST_R_SQUARED = 0.9
_MOST_DEVIATION = 0.25  # standard error of kappa over kappa


class ServerWindow(NamedTuple):
    """A window of a server. See ``COLUMNS``."""

    seconds: float
    joules: float
    tokens_read: float
    tokens_out: float
    in_flight: float


class TokenFit(NamedTuple):
    """What tokens cost.

    Attributes:
        kappa: Energy of a step over energy of a token that is read.
        written: Energy of a token that is written over energy of one that is read, steps left out. The rule takes 2.
        watts_at_rest: Power with nothing in flight.
        r_squared: Part of the variance of energy that the fit explains.
        deviation: Standard error of kappa over kappa.
        windows: How many windows it rests on.
    """

    kappa: float
    written: float
    watts_at_rest: float
    r_squared: float
    deviation: float
    windows: int


def read_windows(path: Path) -> list[ServerWindow]:
    """Read the file of windows: CSV with the columns ``COLUMNS``, in any order.

    Raises:
        EcoiaError: It cannot be read, or a line is wrong.
    """
    try:
        text = limits.read_bytes(path, limits.CSV_BYTES).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise EcoiaError(f"'{path}' cannot be read ({error}): give a CSV file with the columns {', '.join(COLUMNS)}") from error
    found: list[ServerWindow] = []
    at: list[int] = []
    try:
        for number, cells in csv_lines(text, ","):
            if not at:
                lacking = [name for name in COLUMNS if name not in cells]
                if lacking:
                    raise EcoiaError(f"'{path}' has no column {', '.join(lacking)}: its first line names {', '.join(COLUMNS)}")
                at = [cells.index(name) for name in COLUMNS]
            elif cells:
                found.append(_window(path, number, cells, at))
    except CsvError as error:
        raise EcoiaError(f"'{path}', line {error.line}: {error}") from error
    return found


def _window(path: Path, number: int, cells: Sequence[str], at: Sequence[int]) -> ServerWindow:
    values = []
    for name, index in zip(COLUMNS, at, strict=True):
        cell = cells[index] if index < len(cells) else ""
        try:
            value = float(cell)
        except ValueError:
            value = math.nan
        if not 0 <= value < math.inf or (name == "seconds" and value == 0):
            raise EcoiaError(f"'{path}', line {number}: {name} = {cell[:40]!r}: write a number of 0 or more, and seconds above 0")
        values.append(value)
    return ServerWindow(*values)


def fit(windows: Sequence[ServerWindow]) -> TokenFit:
    """Fit by least squares.

    Args:
        windows: Windows of one server and model, idle ones among them.

    Raises:
        EcoiaError: They are too few or too alike, or do not follow the formula.
    """
    import numpy as np

    if len(windows) < LEAST_WINDOWS:
        raise EcoiaError(f"{len(windows)} windows: give {LEAST_WINDOWS} or more, at several loads")
    steps = [each.tokens_out / max(each.in_flight, 1.0) for each in windows]
    terms = np.array([(w.seconds, w.tokens_read, w.tokens_out, s) for w, s in zip(windows, steps, strict=True)])
    energy = np.array([each.joules for each in windows])
    scale = np.linalg.norm(terms, axis=0)
    alike = "these windows do not tell steps from tokens: give some with one request in flight, some with many, and some at rest"
    if not scale.all() or np.linalg.matrix_rank(terms / scale, tol=1e-6) < terms.shape[1]:
        raise EcoiaError(alike)
    rest, read, written, step = (float(each) for each in np.linalg.lstsq(terms / scale, energy, rcond=None)[0] / scale)
    left = energy - terms @ np.array((rest, read, written, step))
    spread = float(((energy - energy.mean()) ** 2).sum())
    r_squared = 1 - float(left @ left) / spread if spread else 0.0
    if min(read, step) <= 0:
        raise EcoiaError(f"{alike} (a token read costs {read:.3g} J by them, a step {step:.3g} J)")
    inverse = np.linalg.inv((terms / scale).T @ (terms / scale)) / np.outer(scale, scale)
    covariance = inverse * float(left @ left) / (len(windows) - terms.shape[1])
    slope = np.array((0.0, -1 / read, 0.0, 1 / step))
    deviation = math.sqrt(max(float(slope @ covariance @ slope), 0.0))
    if r_squared < _LEAST_R_SQUARED:
        raise EcoiaError(
            f"R² = {r_squared:.2f}, {_LEAST_R_SQUARED} at least: something else used the cards, or several models did"
        )
    if deviation > _MOST_DEVIATION:
        raise EcoiaError(f"{alike} (kappa = {step / read:.3g} ± {deviation:.0%})")
    return TokenFit(step / read, written / read, rest, r_squared, deviation, len(windows))


def store(home: str, found: TokenFit, source: str) -> Path:
    """Keep a fit in the journal's home, where measured programs find it.

    Args:
        home: Folder of the journal.
        found: The fit.
        source: Name of the file that it rests on.

    Raises:
        EcoiaError: It cannot be written.
    """
    path = Path(home) / KAPPA_FILE
    kept = found._asdict() | {"source": source, "utc": datetime.now(UTC).isoformat(timespec="seconds")}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(".new")
        new.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        new.replace(path)
    except OSError as error:
        raise EcoiaError(f"'{path}' cannot be written ({error.strerror}): choose a home that you may write to") from error
    return path
