"""Fit what tokens cost from windows of a server: known costs are found again, and windows that say too little are refused."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from ecoia.errors import EcoiaError
from ecoia.evaluating.token_fit import COLUMNS, ServerWindow, fit, read_windows
from ecoia.measuring.token_sharing import TokenSharing
from ecoia.semconv import KAPPA_FILE
from support.command_line import ecoia
from support.settings import make_settings

REST, READ, WRITTEN, STEP = 90.0, 0.021, 0.05, 1.6  # watts, then joules
KAPPA = STEP / READ


def made(
    count: int = 80, *, noise: float = 0.02, batch: Callable[[random.Random], float] = lambda chance: chance.uniform(1, 60)
) -> list[ServerWindow]:
    """Windows of ten seconds of a server that costs what is written above, with an error of the meter."""
    chance, windows = random.Random(4), []
    for number in range(count):
        in_flight = batch(chance)
        out = 0.0 if number % 8 == 0 else in_flight * chance.uniform(100, 300)
        read = 0.0 if number % 8 == 0 else chance.uniform(0, 40_000)
        joules = REST * 10 + READ * read + WRITTEN * out + STEP * out / in_flight
        windows.append(ServerWindow(10.0, joules * chance.gauss(1, noise), read, out, in_flight))
    return windows


def text_of(windows: list[ServerWindow]) -> str:
    return "\n".join([",".join(COLUMNS), *(",".join(map(str, each)) for each in windows)]) + "\n"


def test_known_costs_are_found_again() -> None:
    exact = fit(made(noise=0.0))
    assert exact.kappa == pytest.approx(KAPPA)
    assert exact.written == pytest.approx(WRITTEN / READ)
    assert (exact.watts_at_rest, exact.r_squared, exact.windows) == (pytest.approx(REST), pytest.approx(1), 80)
    noisy = fit(made())
    assert noisy.kappa == pytest.approx(KAPPA, rel=3 * noisy.deviation)
    assert 0 < noisy.deviation < 0.25


@pytest.mark.parametrize(
    ("windows", "reason"),
    [
        (made(29), "29 windows: give 30 or more"),
        (made(batch=lambda _: 8.0), "do not tell steps from tokens"),
        (made(noise=0.4), "something else used the cards|do not tell steps"),
        ([ServerWindow(10.0, 900.0, 0, 0, 0)] * 50, "do not tell steps from tokens"),
        ([each._replace(joules=-STEP * each.tokens_out / each.in_flight + 9e4) for each in made()], "do not tell steps"),
    ],
    ids=["few", "one batch", "noise", "at rest", "a step gives energy"],
)
def test_windows_that_say_too_little_are_refused(windows: list[ServerWindow], reason: str) -> None:
    with pytest.raises(EcoiaError, match=reason):
        fit(windows)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "30 or more"),
        ("seconds,joules\n1,2\n", "has no column tokens_read, tokens_out, in_flight"),
        (f"{','.join(COLUMNS)}\n10,900,1,x,1\n", "line 2: tokens_out = 'x'"),
        (f"{','.join(COLUMNS)}\n10,900,1\n", "line 2: tokens_out = ''"),
        (f"{','.join(COLUMNS)}\n10,-1,1,1,1\n", "line 2: joules = '-1'"),
        (f"{','.join(COLUMNS)}\n0,1,1,1,1\n", "line 2: seconds = '0'"),
        (f"{','.join(COLUMNS)}\n10,nan,1,1,inf\n", "line 2: joules = 'nan'"),
        ('"', "not readable as CSV"),
    ],
)
def test_a_file_that_cannot_be_used_says_where(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "windows.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(EcoiaError, match=reason):
        fit(read_windows(file))


def test_a_fit_is_kept_with_its_quality_and_used_unless_the_setting_says_otherwise(tmp_path: Path) -> None:
    file, home = tmp_path / "windows.csv", tmp_path / "home"
    file.write_text(text_of(made(noise=0.0)), encoding="utf-8")
    result = ecoia("llm", "fit", file, "--home", home)
    assert result.exit_code == 0, result.stderr
    assert "kappa 76.2" in result.stdout
    kept = json.loads((home / KAPPA_FILE).read_text(encoding="utf-8"))
    assert (kept["windows"], kept["source"]) == (80, "windows.csv")
    assert kept["r_squared"] == pytest.approx(1)
    used = TokenSharing.of(make_settings(home=str(home)))
    assert (used._kappa, used._fitted) == (pytest.approx(KAPPA), True)
    chosen = TokenSharing.of(make_settings(home=str(home), token_kappa=50.0))
    assert (chosen._kappa, chosen._fitted) == (50.0, False)


@pytest.mark.parametrize("text", ["", "[]", '{"kappa": "many"}', '{"kappa": -3}', '{"kappa": null}', "{}"])
def test_a_damaged_fit_is_left_aside(tmp_path: Path, text: str) -> None:
    (tmp_path / KAPPA_FILE).write_text(text, encoding="utf-8")
    used = TokenSharing.of(make_settings(home=str(tmp_path)))
    assert (used._kappa, used._fitted) == (100.0, False)


def test_a_refused_fit_leaves_nothing(tmp_path: Path) -> None:
    file = tmp_path / "windows.csv"
    file.write_text(text_of(made(20)), encoding="utf-8")
    result = ecoia("llm", "fit", file, "--home", tmp_path / "home")
    assert result.exit_code != 0
    assert "20 windows: give 30 or more" in result.stderr
    assert not (tmp_path / "home" / KAPPA_FILE).exists()
