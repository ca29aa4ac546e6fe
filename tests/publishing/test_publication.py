"""A published quarter stays what it was: one flipped byte is found, and what it amounts to today stands beside it, explained."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from ecoia import catalogue
from ecoia.errors import PublicationError
from ecoia.factors import FactorSet, default_factors
from ecoia.impact.inputs import Inputs, read_inputs, write_inputs
from ecoia.impact.recalculation import CAUSES, Recalculation, published_micrograms, recalculate, under
from ecoia.periods import Quarter
from ecoia.publishing.publication import publications, publish
from ecoia.publishing.signing import read_key, read_public_key
from ecoia.publishing.verification import recompute, recomputed, verify, verify_chain
from ecoia.records import Record, fold
from ecoia.report import QuarterlyReport, build_report
from support.factor_sets import factor
from support.organisation import sample_catalogue, write_catalogue
from support.records import kwh, record
from support.reports import sample_rows
from support.settings import make_settings

Q3, Q4 = Quarter(2026, 3), Quarter(2026, 4)
FACTORS = FactorSet([factor("FRA", 2025, 50.0), factor("FRA", 2026, 40.0), factor("DEU", 2026, 380.0)], id="ours", version="1")
OTHERS = FactorSet([factor("FRA", 2026, 60.0)], id="others", version="1")
SITES = """\
sites:
  - id: north
    instances: host-*
    pue: [{value: 1.5, quality: measured, source: s, date: 2026-01-01}]
"""
EQUIPMENT = """\
equipment:
  - {id: m, co2e_kg: 1461, life_years: 4, reserved_share: 0.5, instances: host-*, from: 2026-01-01, source: s, date: 2026-01-01}
"""


def some_records() -> list[Record]:
    """Two services in two quarters, idle and unattributed energy, and a record of the quarter after."""
    found = []
    for day in ("2026-08-05", "2026-11-05"):
        found += [
            record(f"{day}T10:00", cpu=kwh(4), ram=kwh(1), service="a", zone="FRA"),
            record(f"{day}T10:00", cpu=kwh(2), ram=None, service="b", zone="FRA"),
            record(f"{day}T10:30", cpu=kwh(1), ram=None, service="a", kind="idle", phase=None, zone="FRA", spans=0),
            record(f"{day}T10:30", cpu=kwh(0.3), ram=None, service=None, kind="unattributed", phase=None, zone="FRA", spans=0),
        ]
    return [*found, record("2027-01-05T10:00", cpu=kwh(1), ram=None, service="a", zone="FRA")]


RECORDS = some_records()


def inputs_of(records: list[Record], folder: Path, factors: FactorSet = FACTORS, **texts: str) -> Inputs:
    return Inputs.of(fold(records), write_catalogue(folder, **texts), factors, make_settings(zone="FRA"))


def report_of(inputs: Inputs, quarter: Quarter = Q4, **more: Any) -> QuarterlyReport:
    return build_report(
        inputs.rows, quarter, over=True, settings=inputs.settings, catalogue=inputs.catalogue, factors=inputs.factors, **more
    )


def one_document(report: QuarterlyReport, folder: Path) -> None:
    assert report.seal is not None
    (folder / "rapport.txt").write_text(f"chiffres : {report.seal.figures_digest}\n", encoding="utf-8")


def published(root: Path, inputs: Inputs, folder: Path, quarter: Quarter = Q4, **more: Any) -> Any:
    return publish(root, inputs, report_of(inputs, quarter), one_document, on=date(2027, 1, 15), catalogue_folder=folder, **more)


def test_inputs_are_read_back_as_they_were_whatever_their_order(tmp_path: Path) -> None:
    rows = sample_rows()
    cat = sample_catalogue(tmp_path / "cat")
    inputs = Inputs.of(rows, cat, default_factors(), make_settings(zone="FRA", pue=1.2))
    write_inputs(inputs, Q4, tmp_path / "one", tmp_path / "cat")
    write_inputs(replace(inputs, rows=rows[::-1]), Q4, tmp_path / "two", tmp_path / "cat")
    one, two = (
        sorted((p.relative_to(f), p.read_bytes()) for p in f.rglob("*") if p.is_file())
        for f in (tmp_path / "one", tmp_path / "two")
    )
    assert one == two
    again = read_inputs(tmp_path / "one")
    assert report_of(again, known_until_ns=again.known_until_utc_ns).to_json() == report_of(inputs).to_json()
    (tmp_path / "one" / "factors.jsonl.gz").write_bytes(b"no")
    with pytest.raises(PublicationError, match="ecoia verify"):
        read_inputs(tmp_path / "one")


def test_what_else_lies_in_the_catalogues_folder_is_not_published(tmp_path: Path) -> None:
    folder = tmp_path / "cat"
    inputs = inputs_of(RECORDS, folder, sites=SITES, equipment=EQUIPMENT)
    (folder / "regions.csv").write_text("service;quarter;region;units;source\na;2026Q4;Bretagne;5;s\n", encoding="utf-8")
    (folder / "factors").mkdir()
    for name in ("factors/ours.csv", "factors/others.csv", "staff.csv", "mine.yaml"):
        (folder / name).write_text("x", encoding="utf-8")
    first = published(folder / "publications", inputs, folder, Q3)
    second = published(folder / "publications", inputs, folder)
    for each in (first, second):
        kept = each.folder / "inputs" / "catalogue"
        found = sorted(path.relative_to(kept).as_posix() for path in kept.rglob("*") if path.is_file())
        assert found == ["equipment.yaml", "factors/ours.csv", "regions.csv", "sites.yaml"]


def test_a_quarter_without_any_zone_comes_out_the_same_when_nothing_changed(tmp_path: Path) -> None:
    records = [each.copy_with(zone=None) for each in RECORDS]
    inputs = Inputs.of(fold(records), catalogue.Catalogue(), default_factors(), make_settings(zone=None))
    found = publish(tmp_path, inputs, report_of(inputs), one_document, on=date(2027, 1, 15), catalogue_folder=None)
    assert recompute(found)


def test_when_nothing_changed_the_bytes_are_the_same_and_the_bridge_is_empty(tmp_path: Path) -> None:
    inputs = inputs_of(RECORDS, tmp_path / "cat", sites=SITES, equipment=EQUIPMENT)
    found = published(tmp_path / "pub", inputs, tmp_path / "cat")
    assert recompute(found)
    again = recalculate(found.report(), found.inputs(), inputs)
    assert (again.total.causes, again.total.micrograms, again.relative, again.needed) == ({}, 0, 0.0, False)
    assert again.parts == ("co2e_operational", "co2e_embodied", "co2e_api")
    assert again.energy_published_microjoules == again.energy_recalculated_microjoules == kwh(8.3)


def test_a_site_that_turns_out_to_be_in_a_zone_that_was_not_frozen_is_told(tmp_path: Path) -> None:
    records = [each.copy_with(zone=None) for each in RECORDS]
    inputs = inputs_of(records, tmp_path / "cat", sites=SITES)
    found = published(tmp_path / "pub", inputs, tmp_path / "cat")
    moved = replace(
        inputs, catalogue=write_catalogue(tmp_path / "now", sites=SITES.replace("id: north", "id: north\n    zone: DEU"))
    )
    again = recalculate(found.report(), found.inputs(), moved)
    assert (again.parts_lost, set(again.total.causes)) == ((), {"boundary"})
    assert again.total.micrograms / 1e9 == pytest.approx(8.3 * 1.5 * (0.380 - 0.040))
    unknown = recalculate(found.report(), found.inputs(), replace(moved, factors=FactorSet([factor("FRA", 2026, 40.0)], id="x")))
    assert unknown.parts_lost == ("co2e_operational",)


def test_a_published_quarter_is_over_whenever_its_last_record_was(tmp_path: Path) -> None:
    early = [each for each in RECORDS if each.start_utc_ns < Q4.bounds_ns(ZoneInfo("UTC"))[0]]
    inputs = inputs_of(early, tmp_path / "cat", equipment=EQUIPMENT)
    found = published(tmp_path / "pub", inputs, tmp_path / "cat", Q3)
    assert found.report()["footprint"]["co2e_embodied"]["value"] == pytest.approx(46, rel=1e-3)
    assert "partial-quarter" in found.report()["notices"], "that nothing was recorded after August is said all the same"
    assert recompute(found)
    now = Inputs.of(fold(RECORDS), inputs.catalogue, FACTORS, inputs.settings)
    again = recalculate(found.report(), found.inputs(), now)
    assert (again.total.causes, again.needed) == ({}, False), "records of a later quarter correct nothing in it"
    told = {"2026Q3": published_micrograms(found.report())}
    change = next(each for each in report_of(now, published_micrograms=told).changes if each.against == "previous-quarter")
    assert change.total is not None
    assert "correction" not in change.total.explained.terms


@pytest.mark.parametrize(
    ("cause", "change", "kilograms"),
    [
        ("factor", {"factors": OTHERS}, 8.3 * 1.5 * 0.020),
        ("boundary", {"sites": SITES.replace("1.5", "2.0")}, 8.3 * 0.5 * 0.040),
        (
            "correction",
            {"records": [*RECORDS, record("2026-12-01T10:00", cpu=kwh(3), ram=None, service="c", zone="FRA")]},
            3 * 1.5 * 0.040,
        ),
    ],
)
def test_each_cause_has_its_term(cause: str, change: dict[str, Any], kilograms: float, tmp_path: Path) -> None:
    frozen = inputs_of(RECORDS, tmp_path / "cat", sites=SITES)
    told = json.loads(report_of(frozen).to_json())
    now = inputs_of(
        change.get("records", RECORDS), tmp_path / "now", change.get("factors", FACTORS), sites=change.get("sites", SITES)
    )
    found = recalculate(told, frozen, now)
    assert set(found.total.causes) == {cause}
    assert found.total.micrograms / 1e9 == pytest.approx(kilograms)
    assert found.needed == (abs(found.total.micrograms) > 0.05 * found.total.published_micrograms)
    later = json.loads(report_of(now).to_json())
    assert found.total.recalculated_micrograms == sum(published_micrograms(later)[part] for part in found.parts)


def test_a_version_that_computes_something_else_is_the_method(tmp_path: Path) -> None:
    frozen = inputs_of(RECORDS, tmp_path / "cat")
    told = json.loads(report_of(frozen).to_json())
    for footprint in (told["footprint"], *(each["footprint"] for each in told["services"])):
        footprint["co2e_operational"]["value"] *= 0.9  # as an earlier method would have had it
    found = recalculate(told, frozen, frozen)
    assert set(found.total.causes) == {"method"}
    assert found.relative == pytest.approx(1 / 0.9 - 1)
    assert found.needed


def test_a_part_that_was_unknown_is_added_apart_and_the_threshold_is_a_setting(tmp_path: Path) -> None:
    frozen = inputs_of(RECORDS, tmp_path / "cat")
    now = inputs_of(RECORDS, tmp_path / "now", OTHERS, equipment=EQUIPMENT, targets="recalculation: {threshold: 0.6}\n")
    found = recalculate(json.loads(report_of(frozen).to_json()), frozen, now)
    assert (found.parts, found.parts_added) == (("co2e_operational", "co2e_api"), ("co2e_embodied",))
    assert found.relative == pytest.approx(0.5)
    assert (found.threshold, found.needed) == (0.6, False)
    assert Recalculation.from_dict(json.loads(found.to_json())) == found


ENERGIES = st.lists(st.tuples(st.integers(1, 10**12), st.sampled_from(["a", "b", None])), min_size=1, max_size=6)


@given(
    before=ENERGIES,
    after=ENERGIES,
    factors=st.tuples(st.floats(1, 900), st.floats(1, 900)),
    pues=st.tuples(st.floats(1, 3), st.floats(1, 3)),
)
def test_the_causes_add_up_exactly_by_service_and_in_all(
    before: list[tuple[int, str | None]],
    after: list[tuple[int, str | None]],
    factors: tuple[float, float],
    pues: tuple[float, float],
) -> None:
    def inputs(energies: list[tuple[int, str | None]], value: float, pue: float) -> Inputs:
        records = [
            record(
                "2026-11-05T10:00",
                cpu=energy,
                ram=None,
                service=service,
                kind="span" if service else "unattributed",
                phase="inference" if service else None,
            )
            for energy, service in energies
        ]
        return Inputs.of(
            fold(records), catalogue.Catalogue(), FactorSet([factor("FRA", 2026, value)]), make_settings(zone="FRA", pue=pue)
        )

    frozen, now = inputs(before, factors[0], pues[0]), inputs(after, factors[1], pues[1])
    found = recalculate(json.loads(report_of(frozen).to_json()), frozen, now)
    for each in (found.total, *found.services):
        assert sum(each.causes.values()) == each.recalculated_micrograms - each.published_micrograms
        assert set(each.causes) <= set(CAUSES)
    assert sum(each.micrograms for each in found.services) == found.total.micrograms


def test_a_published_quarter_is_told_in_the_next_report_as_what_it_was(tmp_path: Path) -> None:
    told = json.loads(report_of(inputs_of(RECORDS, tmp_path / "cat"), Q3).to_json())
    corrected = [*RECORDS, record("2026-08-06T10:00", cpu=kwh(3), ram=None, service="a", zone="FRA")]
    found = report_of(inputs_of(corrected, tmp_path / "now"), published_micrograms={"2026Q3": published_micrograms(told)})
    change = found.changes[0].total
    assert change is not None
    assert change.explained.terms["correction"] == round(3 * 0.040 * 1e9)
    assert change.explained.reference_micrograms == sum(published_micrograms(told).values())
    assert sum(change.explained.terms.values()) == change.explained.micrograms


def test_what_services_lack_of_the_whole_by_rounding_is_no_correction(tmp_path: Path) -> None:
    odd = 40_000_000  # microjoules; each service's CO2e ends in a fraction of a microgram
    records = [
        record(f"{day}T10:00", cpu=odd + 37_000 * number, ram=None, service=f"s-{number}", zone="FRA")
        for day in ("2026-08-05", "2026-11-05")
        for number in range(9)
    ]
    inputs = inputs_of(records, tmp_path / "cat")
    told = json.loads(report_of(inputs, Q3).to_json())
    figures = published_micrograms(told)
    services = sum(sum(value for value in published_micrograms(each).values()) for each in told["services"])
    assert services != sum(figures.values()), "the case that this is about"
    change = report_of(inputs, published_micrograms={"2026Q3": figures}).changes[0].total
    assert change is not None
    assert "correction" not in change.explained.terms
    assert sum(change.explained.terms.values()) == change.explained.micrograms


def test_publishing_twice_refuses_and_a_restated_quarter_stands_beside(tmp_path: Path) -> None:
    root, cat = tmp_path / "pub", tmp_path / "cat"
    inputs = inputs_of(RECORDS, cat)
    first, second = published(root, inputs, cat, Q3), published(root, inputs, cat)
    assert second.previous == "2026Q3"
    with pytest.raises(PublicationError, match="2026Q4 was published on 2027-01-15"):
        published(root, inputs, cat)
    now = inputs_of(RECORDS, cat, OTHERS)
    bridge = recalculate(first.report(), first.inputs(), now)
    restated = published(root, now, cat, Q3, recalculation=bridge)
    assert (restated.name, restated.restates, restated.previous) == ("2026Q3-r1", True, "2026Q4")
    assert restated.recalculation() == bridge
    assert [each.name for each in verify_chain(root)] == ["2026Q3", "2026Q4", "2026Q3-r1"]
    with pytest.raises(PublicationError, match="nothing to restate"):
        published(tmp_path / "elsewhere", now, cat, Q3, recalculation=bridge)
    assert not list((tmp_path / "elsewhere").glob("*"))


def test_a_quarter_without_a_record_is_not_frozen(tmp_path: Path) -> None:
    inputs = inputs_of(RECORDS, tmp_path / "catalogue")
    with pytest.raises(PublicationError, match="2020Q1 holds no record, so there is nothing to freeze"):
        published(tmp_path / "root", inputs, tmp_path / "catalogue", Quarter(2020, 1))
    assert not (tmp_path / "root").exists()


def test_a_document_that_fails_leaves_nothing_half_written(tmp_path: Path) -> None:
    inputs = inputs_of(RECORDS, tmp_path / "cat")

    def fails(report: QuarterlyReport, folder: Path) -> None:
        (folder / "half").write_text("h", encoding="utf-8")
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        publish(tmp_path / "pub", inputs, report_of(inputs), fails, on=date(2027, 1, 1), catalogue_folder=None)
    assert list((tmp_path / "pub").iterdir()) == []


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ed25519PrivateKey]:
    """Two signed publications."""
    folder, key = tmp_path_factory.mktemp("chain"), Ed25519PrivateKey.generate()
    inputs = inputs_of(RECORDS, folder / "cat", sites=SITES)
    for quarter in (Q3, Q4):
        published(folder / "pub", inputs, folder / "cat", quarter, key=key)
    return folder / "pub", key


def test_one_flipped_byte_anywhere_is_found_and_named(chain: tuple[Path, Ed25519PrivateKey], tmp_path: Path) -> None:
    root, key = chain
    verify_chain(root, [key.public_key()])
    for path in sorted(p for p in (root / "2026Q4").rglob("*") if p.is_file()):
        data = path.read_bytes()
        for at in {0, len(data) // 3, len(data) // 2, len(data) - 1}:
            copy = tmp_path / "copy"
            shutil.copytree(root, copy)
            changed = bytearray(data)
            changed[at] ^= 1
            (copy / path.relative_to(root)).write_bytes(changed)
            with pytest.raises(PublicationError) as caught:
                verify_chain(copy)
            assert path.name in str(caught.value), f"byte {at} of {path.name}"
            shutil.rmtree(copy)


def _removed(root: Path) -> None:
    (root / "2026Q4/documents/rapport.txt").unlink()


def _seal_and_manifest_removed(root: Path) -> None:
    for name in ("seal.json", "manifest.json"):
        (root / "2026Q4" / name).unlink()


def _added(root: Path) -> None:
    (root / "2026Q4/inputs/rows/2020Q1.jsonl.gz").write_bytes(b"")


def _another_figure(root: Path) -> None:
    path = root / "2026Q4/report.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"pue": null', '"pue": 1.0'), encoding="utf-8")


def _first_one_replaced(root: Path) -> None:
    inputs = read_inputs(root / "2026Q3/inputs")
    shutil.rmtree(root / "2026Q3")
    other = publish(root / "x", inputs, report_of(inputs, Q3), one_document, on=date(2027, 1, 16), catalogue_folder=None)
    other.folder.rename(root / "2026Q3")
    (root / "x").rmdir()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_removed, "rapport.txt is missing"),
        (lambda root: (root / "2026Q4" / "manifest.json").unlink(), "manifest.json is missing"),
        (_seal_and_manifest_removed, "2026Q4/manifest.json is missing"),
        (lambda root: (root / "2026Q4").rename(root / "2027Q1"), "2027Q1 was published as 2026Q4: its folder was renamed"),
        (_added, "was not published: it was added since"),
        (_another_figure, "section 'pue' differs"),
        (_first_one_replaced, "2026Q3 is not the publication that 2026Q4 was chained to"),
    ],
)
def test_what_was_removed_added_or_replaced_is_named(
    change: Callable[[Path], None], message: str, chain: tuple[Path, Ed25519PrivateKey], tmp_path: Path
) -> None:
    root = tmp_path / "pub"
    shutil.copytree(chain[0], root)
    change(root)
    with pytest.raises(PublicationError, match=message):
        verify_chain(root)


@pytest.mark.parametrize(
    ("file", "field", "value", "message"),
    [
        ("seal.json", "quarter", "2020Q1", "seal.json is of 2020Q1"),
        ("manifest.json", "documents", None, "lists no files"),
        ("manifest.json", "files", [], "lists no files"),
        ("manifest.json", "figures", {}, "'figures' differs"),
        ("manifest.json", "method_version", "0", "'method_version' differs"),
    ],
)
def test_seal_manifest_and_figures_hold_together_whoever_rewrote_them(
    file: str, field: str, value: Any, message: str, tmp_path: Path
) -> None:
    found = published(tmp_path / "pub", inputs_of(RECORDS, tmp_path / "cat"), tmp_path / "cat")

    def rewrite(name: str, **fields: Any) -> None:
        data = json.loads((found.folder / name).read_text(encoding="utf-8")) | fields
        (found.folder / name).write_text(json.dumps(data, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8")

    rewrite(file, **{field: value})
    if file == "manifest.json":
        rewrite("seal.json", head=hashlib.sha256((found.folder / file).read_bytes()).hexdigest())
    with pytest.raises(PublicationError, match=message):
        verify(found.folder)


@pytest.mark.parametrize("name", ["seal.json", "manifest.json", "report.json"])
@pytest.mark.parametrize("content", ['{"schema": NaN}', '{"schema": "\\ud800"}', "[" * 100_000, "null"])
def test_what_no_publication_can_hold_is_named(
    name: str, content: str, chain: tuple[Path, Ed25519PrivateKey], tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(chain[0], copy)
    (copy / "2026Q3" / name).write_text(content, encoding="utf-8")
    with pytest.raises(PublicationError, match=f"{name} is not what was published"):
        verify(copy / "2026Q3")


def test_a_seal_is_signed_with_one_key(chain: tuple[Path, Ed25519PrivateKey], tmp_path: Path) -> None:
    root, key = chain
    verify(root / "2026Q4", [key.public_key()])
    with pytest.raises(PublicationError, match="another key"):
        verify(root / "2026Q4", [Ed25519PrivateKey.generate().public_key()])
    inputs = inputs_of(RECORDS, tmp_path / "cat")
    unsigned = published(tmp_path / "pub", inputs, tmp_path / "cat")
    verify(unsigned.folder)
    with pytest.raises(PublicationError, match="not signed"):
        verify(unsigned.folder, [key.public_key()])


def test_keys_are_pem_files_of_one_kind(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    secret = serialization.BestAvailableEncryption(b"word")
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secret)
    (tmp_path / "key.pem").write_bytes(pem)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "pub.pem").write_bytes(public)
    read = read_key(tmp_path / "key.pem", "word")
    assert read.public_key().public_bytes_raw() == read_public_key(tmp_path / "pub.pem").public_bytes_raw()
    for call in (
        lambda: read_key(tmp_path / "pub.pem"),
        lambda: read_key(tmp_path / "no"),
    ):
        with pytest.raises(PublicationError, match="openssl genpkey"):
            call()
    with pytest.raises(PublicationError, match="openssl pkey"):
        read_public_key(tmp_path / "key.pem")


def test_a_passphrase_that_is_lacking_wrong_or_too_many_is_what_is_to_be_mended(tmp_path: Path) -> None:
    def write(encryption: serialization.KeySerializationEncryption) -> Path:
        pem = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
        )
        (tmp_path / "key.pem").write_bytes(pem)
        return tmp_path / "key.pem"

    path = write(serialization.BestAvailableEncryption(b"word"))
    with pytest.raises(PublicationError, match=": its passphrase is read from ECOIA_KEY_PASSPHRASE"):
        read_key(path)
    with pytest.raises(PublicationError, match=": correct ECOIA_KEY_PASSPHRASE"):
        read_key(path, "other")
    with pytest.raises(PublicationError, match=": unset ECOIA_KEY_PASSPHRASE"):
        read_key(write(serialization.NoEncryption()), "word")


def test_a_folder_without_publications_says_so(tmp_path: Path) -> None:
    assert publications(tmp_path / "no") == []
    with pytest.raises(PublicationError, match="no publication"):
        verify_chain(tmp_path)
    with pytest.raises(PublicationError, match="is this the folder of a publication"):
        verify(tmp_path)


def test_another_factor_set_is_tried_without_touching_anything(tmp_path: Path) -> None:
    frozen = inputs_of(RECORDS, tmp_path / "cat")
    told = json.loads(report_of(frozen).to_json())
    found = recalculate(told, frozen, under(frozen, OTHERS))
    assert set(found.total.causes) == {"factor"}
    assert (found.factor_set_published, found.factor_set) == ("ours", "others")
    assert recomputed(under(frozen, OTHERS), told).footprint.co2e_operational.value == pytest.approx(8.3 * 0.060)
