"""``ecoia.read`` gives the report's figures and the ledger's rows, and says what they lack."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest

import ecoia
from ecoia.analysing import frames
from ecoia.dataset import Place, Source, export
from ecoia.errors import MissingExtraError
from ecoia.report import QuarterlyReport
from ecoia.report.result_lines import RESULT_COLUMNS
from support.command_line import fill
from support.datasets import GAPS, exported
from support.large_organisation import large_catalogue, large_factors, large_rows
from support.programs import run_python
from support.records import kwh, record

KWH = 3_600_000_000_000


@pytest.fixture
def journal(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work of two quarters, reserved idle energy, and work without any energy."""
    monkeypatch.setenv("ECOIA_ZONE", "FRA")
    fill(
        home,
        record("2026-09-30T21:30", cpu=kwh(1), units_micro=4_000_000),
        record("2026-09-30T22:30", cpu=kwh(2), gpu=kwh(1), units_micro=6_000_000),
        record("2026-10-05T10:00", cpu=kwh(1), kind="idle", phase=None, spans=0),
        record("2026-10-06T10:00", cpu=None, ram=None, service="chat"),
    )


def test_results_have_a_line_for_each_quarter_and_bearer_with_units(journal: None) -> None:
    frame = ecoia.read(source="journal").set_index(["quarter", "service", "phase"])
    assert [*frame.index] == [
        ("2026Q3", "vadore", "inference"),
        ("2026Q4", "chat", "inference"),
        ("2026Q4", "vadore", "idle"),
        ("2026Q4", "vadore", "inference"),
    ]
    work = frame.loc["2026Q4", "vadore", "inference"]
    assert work["energy"] == pytest.approx(3)
    assert work["energy_low"] < 3 < work["energy_high"]
    assert work["energy_per_unit"] == pytest.approx(500)
    assert (work["units"], work["spans"], work["instances"], work["measured_share"]) == (6, 1, 1, 1.0)
    nothing = frame.loc["2026Q4", "chat", "inference"]
    assert math.isnan(nothing["energy"])
    assert (nothing["energy_reason"], nothing["missing"]) == ("not-measured", "cpu,gpu,ram")
    assert frame.attrs["units"]["energy"] == frame.attrs["units"]["energy_low"] == "kWh"
    assert frame.attrs["units"].keys() <= set(RESULT_COLUMNS)
    assert frame.attrs["source"] == "journal"


def test_rows_have_exact_amounts_and_months_of_the_organisation(journal: None) -> None:
    frame = ecoia.read("rows", source="journal", service="vadore")
    assert frame["month"].tolist() == ["2026-09", "2026-10", "2026-10"]
    assert frame["half_hour"].dt.tz is not None
    assert frame.groupby("month")["energy_microjoules"].sum().tolist() == [KWH, 4 * KWH]
    assert ecoia.read("rows", source="journal", service="chat")["energy_microjoules"].isna().all(), "not zero"
    assert frame.attrs["units"].keys() <= set(frame.columns)


def test_it_is_narrowed_to_quarters_and_services(journal: None) -> None:
    for what in ("results", "rows"):
        whole = ecoia.read(what, source="journal")
        assert set(ecoia.read(what, source="journal", quarter="2026q3")["quarter"]) == {"2026Q3"}
        assert len(ecoia.read(what, source="journal", quarter=["2026Q3", "2026Q4"])) == len(whole)
        assert set(ecoia.read(what, source="journal", service=["chat", "other"])["service"]) == {"chat"}
    alone = ecoia.read(source="journal", quarter="2026Q3").drop(columns="quarter")
    both = ecoia.read(source="journal")
    pd.testing.assert_frame_equal(alone, both[both["quarter"] == "2026Q3"].drop(columns="quarter"))


def test_nothing_recorded_gives_no_lines(home: Path) -> None:
    for what in ("results", "rows"):
        frame = ecoia.read(what, source="journal")
        assert frame.empty
        assert {"quarter", "service", "phase"} <= set(frame.columns)


def test_gaps_of_a_dataset_are_named_and_in_the_frame(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exported(tmp_path, gaps=GAPS)
    frame = ecoia.read("rows", source=f"parquet:{tmp_path}")
    assert {gap["day"] for gap in frame.attrs["gaps"]} == {"2026-11-24", ""}
    assert "2026-11-24 of 'host-1'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"what": "figures"}, "what = 'figures'"),
        ({"quarter": "autumn"}, "quarter 'autumn'"),
        ({"quarter": 2026}, "quarter = 2026"),
        ({"quarter": []}, "quarter = "),
        ({"service": [None]}, "service = "),
        ({"source": "elsewhere"}, "'elsewhere' is no source"),
        ({"source": "parquet:"}, "'parquet:' is no source"),
        ({"source": 3}, "source = 3"),
    ],
)
def test_an_illegal_argument_is_named_before_anything_is_read(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(ecoia.UsageError) as caught:
        ecoia.read(**arguments)  # type: ignore[arg-type]
    assert said in str(caught.value)


def test_without_pandas_the_call_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "pandas", None)
    with pytest.raises(MissingExtraError, match="pip install"):
        ecoia.read()


def test_import_ecoia_loads_none_of_it() -> None:
    done = run_python("import ecoia, sys; assert not {'pandas', 'pyarrow', 'ecoia.cli', 'ecoia.analysing'} & sys.modules.keys()")
    assert done.returncode == 0, done.stderr


@pytest.mark.no_cover
def test_the_large_organisation_has_the_figures_of_its_report(
    large: QuarterlyReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(Place(str(tmp_path / "data")), large_rows(), (), timezone="Europe/Paris", source=Source("ledger-0"))
    large_catalogue(tmp_path / "catalogue")
    monkeypatch.setenv("ECOIA_CATALOGUE", str(tmp_path / "catalogue"))
    monkeypatch.setenv("ECOIA_ZONE", "FRA")
    monkeypatch.setattr("ecoia.factors.in_use", lambda *_: large_factors())
    frame = ecoia.read(quarter=large.quarter, source=f"parquet:{tmp_path / 'data'}")
    found = {(line["service"], line["phase"]): line for line in frame.to_dict("records")}
    for result in large.results:
        line = found[result.service, result.phase]
        for name, known in (("energy", result.measure.energy), ("co2e_operational", result.measure.co2e)):
            assert [line[name], line[f"{name}_low"], line[f"{name}_high"]] == pytest.approx(
                [math.nan if each is None else each for each in (known.value, known.low, known.high)], nan_ok=True
            ), (result.service, result.phase, name)
        assert (line["spans"], line["boundary"], bool(line["simulated"])) == (
            result.spans,
            result.measure.boundary,
            result.simulated,
        )
    whole = large.totals.energy_components.value
    assert frame["energy_components"].sum() == pytest.approx(whole)
