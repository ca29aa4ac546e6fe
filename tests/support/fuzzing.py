"""Fuzzing: every kind of input that others can write, the inputs to begin with, and how they are changed.

An input is refused with an error of ecoia's own, or it is accepted; then it goes on until the figures of a report. Anything else
that is raised is a fault, and so is CPU time beyond ``MOST_CPU_SECONDS``.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import shutil
import signal
import time
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

import hypothesis
from hypothesis import strategies as st

from ecoia import catalogue, settings
from ecoia.catalogue import Catalogue
from ecoia.delivery.day_file import decode_day, union
from ecoia.errors import EcoiaError
from ecoia.evaluating.gate import read_baseline, read_budgets
from ecoia.factors import FactorSet, default_factors
from ecoia.factors.importers import read_as
from ecoia.impact.inputs import Inputs
from ecoia.keeping.declared import read_activity
from ecoia.keeping.journal import Journal
from ecoia.periods import Quarter
from ecoia.publishing.publication import publications, publish
from ecoia.publishing.verification import verify_chain
from ecoia.records import Row, fold
from ecoia.report import build_report
from ecoia.watching.group_rules import read_rules
from ecoia_dashboards.workbook import read_workbook, write_workbook
from support.factor_files import PARIS, xls
from support.organisation import CHARTER, COMMITTEES, EVALUATIONS, SERVICES, TARGETS, sample_catalogue, write_catalogue
from support.reports import sample_records, sample_rows
from support.settings import make_settings

CORPUS = Path(__file__).resolve().parents[1] / "fuzz" / "corpus"
MOST_CPU_SECONDS = 20.0
Q4 = Quarter(2026, 4)
SHEET = "xl/worksheets/sheet2.xml"

Feed = Callable[[bytes, Path], None]


@dataclass(frozen=True)
class Kind:
    """A kind of input: how it is read, in an empty folder, and examples of right ones."""

    feed: Feed
    examples: Callable[[], list[bytes]]


def seeds(name: str) -> list[bytes]:
    """Return the examples of a kind, and the inputs that once were faults."""
    return [*KINDS[name].examples(), *(path.read_bytes() for path in sorted((CORPUS / name).glob("*")))]


def keep(name: str, data: bytes) -> Path:
    """Keep an input that is a fault, so that every later run tries it."""
    path = CORPUS / name / f"found-{zlib.crc32(data):08x}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def attempt(name: str, data: bytes, folder: Path) -> bool:
    """Feed an input.

    Returns:
        Whether it was accepted.

    Raises:
        BaseException: it is a fault.
    """
    folder.mkdir(parents=True)
    try:
        with within(MOST_CPU_SECONDS), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of libraries, which warn of what they then read
            KINDS[name].feed(data, folder)
    except EcoiaError as error:
        if not str(error):
            raise AssertionError("an error says nothing") from error
        return False
    finally:
        shutil.rmtree(folder)
    return True


@contextmanager
def within(cpu_seconds: float) -> Iterator[None]:
    """Raise ``TimeoutError`` in what takes more CPU time."""

    def late(*_: object) -> None:
        raise TimeoutError(f"more than {cpu_seconds:g} s of CPU time")

    before = signal.signal(signal.SIGVTALRM, late)
    signal.setitimer(signal.ITIMER_VIRTUAL, cpu_seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def run(name: str, seconds: float | None, scratch: Path) -> int:
    """Change seeds and feed them.

    Args:
        name: The kind.
        seconds: How long. None: a few inputs, always the same ones.
        scratch: A folder for the runs.

    Returns:
        How many inputs were tried.

    Raises:
        BaseException: an input is a fault; the smallest one found is kept in the corpus.
    """
    tried, faults = 0, list[bytes]()

    @hypothesis.settings(
        max_examples=25 if seconds is None else 200,
        derandomize=seconds is None,
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        report_multiple_bugs=False,
    )
    @hypothesis.given(changed(seeds(name)))
    def one(data: bytes) -> None:
        nonlocal tried
        tried += 1
        try:
            attempt(name, data, scratch / str(tried))
        except Exception:
            faults.append(data)  # the last one is the smallest
            raise

    ends = time.monotonic() + (seconds or 0)
    try:
        one()
        while seconds is not None and time.monotonic() < ends:
            one()
    except BaseException:
        if faults and seconds is not None:
            keep(name, faults[-1])
        raise
    return tried


# ------------------------------------------------------------------------------------------------------------- changes

TOKENS = [
    b"", b"0", b"-1", b"-0.0", b"1e400", b"-1e400", b"NaN", b"Infinity", b".inf", b".nan", b"1.5", b"1e308", b"5e-324",
    b"1e-400", b"9" * 19, b"9" * 25, b"1" + b"0" * 400, b"9" * 5000, b"18446744073709551616", b"9223372036854775807",
    b"4611686018427387904", b"null", b"true", b"false", b"[]", b"{}", b'""', b'"\\ud800"', b'"\\u0000"', b'"x"', b"'",
    b'"', b",", b";", b":", b"\t", b"\n", b"\r", b"\x00", b"\xff", b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"&a", b"*a",
    b"<<: *a", b"!!binary", b"---\n", b"...", b"#", b"- ", b"? ", b"|", b">", b"=", b"[[", b"[" * 50, b"{" * 50,
    b'{"a":' * 40, b"../../x", b"\xd9\xa1", b"2026-02-31", b"0001-01-01", b"9999-12-31", b"2026Q4", b"2026Q5", b"0000Q1",
    b"9999Q4", b"1970Q1", b"1969-12-31T23:59Z", b"12:30", b"1_000", b"0x10", b"1,234", b"1 234,5", b"a" * 300, b"vadore",
    b"FRA", b"<a>", b"&lt;", b"&#0;", b"&amp;", b"<!DOCTYPE a>", b"]]>", b'r="1048576"', b't="e"', b't="s"', b't="d"',
    b't="b"', b'r="XFD1048576"', b"_xD800_", b"_x0000_", b"=A1", b"#REF!",
]  # fmt: skip
_TOKEN = re.compile(rb'"[^"\n]*"|[\w.+-]+|[^\w\s]')


@st.composite
def changed(draw: st.DrawFn, begin: list[bytes]) -> bytes:
    """Draw a seed, changed in one to four places."""
    data = draw(st.sampled_from(begin))
    for _ in range(draw(st.integers(1, 4))):
        data = draw(st.sampled_from(_WAYS))(draw, data, begin)
    return data


def _place(draw: st.DrawFn, data: bytes) -> int:
    return draw(st.integers(0, len(data)))


def _token(draw: st.DrawFn, data: bytes, begin: list[bytes]) -> bytes:
    """Replace a word, a text in quotes or a mark."""
    found = list(_TOKEN.finditer(data))
    if not found:
        return data
    at = found[draw(st.integers(0, len(found) - 1))]
    return data[: at.start()] + draw(st.sampled_from(TOKENS)) + data[at.end() :]


def _inserted(draw: st.DrawFn, data: bytes, begin: list[bytes]) -> bytes:
    at = _place(draw, data)
    return data[:at] + draw(st.sampled_from(TOKENS)) + data[at:]


def _swapped(draw: st.DrawFn, data: bytes, begin: list[bytes]) -> bytes:
    """Replace a word by another word of the seeds."""
    found, other = list(_TOKEN.finditer(data)), list(_TOKEN.finditer(draw(st.sampled_from(begin))))
    if not found or not other:
        return data
    at = found[draw(st.integers(0, len(found) - 1))]
    return data[: at.start()] + other[draw(st.integers(0, len(other) - 1))][0] + data[at.end() :]


def _cut(draw: st.DrawFn, data: bytes, begin: list[bytes]) -> bytes:
    at = _place(draw, data)
    return data[:at] + data[at + draw(st.integers(1, 200)) :]


def _repeated(draw: st.DrawFn, data: bytes, begin: list[bytes]) -> bytes:
    at = _place(draw, data)
    part = data[at : at + draw(st.integers(1, 100))]
    return data[:at] + part * draw(st.integers(2, 40)) + data[at:]


def _line(draw: st.DrawFn, data: bytes, begin: list[bytes]) -> bytes:
    """Write a line twice, or leave it out."""
    lines = data.split(b"\n")
    at = draw(st.integers(0, len(lines) - 1))
    return b"\n".join([*lines[:at], *[lines[at]] * draw(st.sampled_from([0, 2])), *lines[at + 1 :]])


def _byte(draw: st.DrawFn, data: bytes, begin: list[bytes]) -> bytes:
    at = _place(draw, data)
    return data[:at] + bytes([draw(st.integers(0, 255))]) + data[at + 1 :]


_WAYS: list[Callable[[st.DrawFn, bytes, list[bytes]], bytes]] = [
    _token,
    _token,
    _token,
    _swapped,
    _inserted,
    _cut,
    _repeated,
    _line,
    _byte,
]


# --------------------------------------------------------------------------------------------------------------- kinds


@cache
def _rows() -> list[Row]:
    return sample_rows()


@cache
def _register() -> Catalogue:
    return catalogue.load(_organisation())


@cache
def _factors() -> FactorSet:
    return default_factors()


@cache
def _organisation() -> Path:
    """A catalogue with something in it, which nobody changes."""
    folder = Path(os.environ["FUZZ_SCRATCH"]) / "organisation"
    sample_catalogue(folder)
    return folder


def report_of(rows: list[Row] | None = None, register: Catalogue | None = None, factors: FactorSet | None = None) -> None:
    """Build the figures of a report, in the quarter of the samples and in the first one that rows reach."""
    config = make_settings(zone="FRA")
    quarters = {Q4, *[Quarter.of_instant(row["half_hour_utc_ns"], PARIS) for row in (rows or [])[:1]]}
    for quarter in sorted(quarters):
        report = build_report(
            [*_rows(), *(rows or [])],
            quarter,
            settings=config,
            catalogue=register or _register(),
            factors=factors or _factors(),
        )
        json.loads(report.to_json())


def _journal(data: bytes, folder: Path) -> None:
    """Each line is the text of one record, to which the checksum is added; a line that begins with ``!`` is taken as it is."""
    journal = Journal(folder / "home")
    day = journal.folder / "2026-11-23"
    day.mkdir()
    lines = [line[1:] if line[:1] == b"!" else b"%08x %s" % (zlib.crc32(line), line) for line in data.split(b"\n")]
    (day / "1-abcdef.jsonl").write_bytes(b"\n".join(lines))
    scan = journal.scan()
    report_of(fold(scan.records))


def _ledger(data: bytes, folder: Path) -> None:
    """The text of a day file, which is then packed."""
    report_of(union([decode_day(gzip.compress(data, compresslevel=1)).rows]))


def _catalogue(data: bytes, folder: Path) -> None:
    """A comment in the first line names the file."""
    name = data.partition(b"\n")[0].removeprefix(b"# ").decode("latin-1")
    shutil.copytree(_organisation(), folder / "catalogue")
    (folder / "catalogue" / (name if name in catalogue.FILES else "services.yaml")).write_bytes(data)
    report_of(register=catalogue.load(folder / "catalogue"))


def _table(name: str) -> Feed:
    def feed(data: bytes, folder: Path) -> None:
        shutil.copytree(_organisation(), folder / "catalogue")
        (folder / "catalogue" / name).write_bytes(data)
        report_of(register=catalogue.load(folder / "catalogue"))

    return feed


def _importer(kind: str) -> Feed:
    def feed(data: bytes, folder: Path) -> None:
        path = folder / "grid.csv"
        path.write_bytes(data)
        found = read_as(path, kind, {"id": "grid", "retrieved_on": "2026-01-01", "licence": "CC0-1.0"}, PARIS).factors
        for scope, basis in sorted({(factor.scope, factor.basis) for factor in found.factors}):
            report_of(factors=found.choose(scope, basis))

    return feed


def _declared(data: bytes, folder: Path) -> None:
    path = folder / "activity.csv"
    path.write_bytes(data)
    report_of(fold(read_activity(path, make_settings(zone="FRA", home=str(folder / "home")))))


def _toml(data: bytes, folder: Path) -> None:
    """The settings, rules of control groups, budgets and a baseline."""
    path = folder / "ecoia.toml"
    path.write_bytes(data)
    try:
        settings.load(start=folder)
    finally:
        for read in (read_rules, read_budgets, read_baseline):
            try:
                read(path)
            except EcoiaError:
                continue


@cache
def _parts() -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(write_workbook(_organisation(), Q4, "fr"))) as book:
        return {name: book.read(name) for name in book.namelist()}


def _workbook(data: bytes, folder: Path) -> None:
    """The XML of the register's sheet."""
    shutil.copytree(_organisation(), folder / "catalogue")
    path = folder / "filled.xlsx"
    with zipfile.ZipFile(path, "w") as book:
        for name, content in _parts().items():
            book.writestr(name, data if name == SHEET else content)
    read_workbook(path, folder / "catalogue")
    report_of(register=catalogue.load(folder / "catalogue"))


@cache
def _published() -> Path:
    folder = Path(os.environ["FUZZ_SCRATCH"]) / "published"
    inputs = Inputs.of(_rows(), write_catalogue(folder / "cat"), _factors(), make_settings(zone="FRA"))
    report = build_report(
        inputs.rows, Q4, settings=inputs.settings, catalogue=inputs.catalogue, factors=inputs.factors, over=True
    )
    publish(folder / "pub", inputs, report, lambda *_: None, on=date(2027, 1, 15), catalogue_folder=None)
    return folder / "pub"


_SEALED = ("manifest.json", "seal.json", "report.json", "inputs/settings.json")


def _publication(data: bytes, folder: Path) -> None:
    """The first line names the file."""
    name, _, content = data.partition(b"\n")
    shutil.copytree(_published(), folder / "pub")
    file = name.decode("latin-1") if name.decode("latin-1") in _SEALED else "manifest.json"
    (folder / "pub" / "2026Q4" / file).write_bytes(content)
    try:
        verify_chain(folder / "pub")
    finally:
        for each in publications(folder / "pub"):
            each.report()
            each.inputs()


def _texts(*texts: str) -> Callable[[], list[bytes]]:
    return lambda: [text.encode() for text in texts]


def _files() -> list[bytes]:
    register = SERVICES.replace("audience: recruteurs", "audience: recruteurs\n    quality: {accuracy: higher}")
    texts = {
        "services": register,
        "charter": CHARTER,
        "targets": TARGETS,
        "committees": "".join(COMMITTEES),
        "evaluations": EVALUATIONS,
    }
    texts |= {
        name.removesuffix(".yaml"): uncommented(text)
        for name, text in catalogue.starter_files().items()
        if name[:-5] not in texts
    }
    return [f"# {name}.yaml\n{text}".encode() for name, text in texts.items()]


def uncommented(text: str) -> str:
    """Return a starter's file with its example in force."""
    key = re.search(r"^(\w+): \[\]$", text, re.MULTILINE)
    if key is None:
        return text
    head, tail = text.split(f"{key[1]}: []\n", 1)
    lines = [line.removeprefix("# ") if line.startswith((f"# {key[1]}", "#   ")) else line for line in tail.splitlines()]
    return "\n".join([*head.splitlines(), *lines]) + "\n"


def _record_texts() -> list[bytes]:
    texts = [record.to_json().encode() for record in sample_records()]
    return [*texts, b"\n".join(texts[:3]), b"!00000000 {}\n" + texts[0]]


def _row_texts() -> list[bytes]:
    texts = [json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() for row in _rows()]
    return [*texts, b"\n".join(texts[:3])]


_GENERIC = (
    "# title: Ours\n# source: Us\n# licence: CC0-1.0\n# scope: direct\n# basis: production\n"
    "zone,start,end,gco2e_per_kwh\nFRA,2026-01-01,2027-01-01,41\nDEU,2026-10-01T00:00Z,2026-10-01T00:30Z,380.5\n"
)
_OPEN_DATA = (
    "Périmètre;Nature;Date;Heures;Date et Heure;Taux de CO2 (g/kWh)\n"
    "France;Données;2026-11-23;00:00;2026-11-23T00:00:00+01:00;41\nFrance;Données;2026-11-23;00:30;2026-11-23T00:30:00+01:00;ND\n"
)
_MAPS = (
    "Datetime (UTC),Country,Zone Name,Zone Id,Carbon Intensity gCO₂eq/kWh (direct),Carbon Intensity gCO₂eq/kWh (LCA)\n"
    "2026-11-23 00:00:00,France,France,FR,21.5,41\n2026-11-23 01:00:00,France,France,FR,22,42\n"
)
_ADEME = (
    "Type Ligne;Statut de l'élément;Nom attribut français;Nom frontière français;Code de la catégorie;Unité français;"
    "Localisation géographique;Sous-localisation géographique français;Total poste non décomposé\n"
    "Elément;Valide générique;2026 - mix moyen;consommation;Electricité > x;kgCO2e/kWh;France continentale;;0,0517\n"
)
_ACTIVITY = (
    "service,phase,start,end,energy_kwh,units,source\nvadore,inference,2026-10-01,2026-12-31,100,12,facture\n"
    "smart-emploi,training,2026-11-01T00:00Z,2026-11-02T12:30+01:00,1.5,,facture\n"
)
_HOURS = "service;phase;start;end;vcpu_hours;watts_per_vcpu;source\nvadore;inference;2026-10-01;2026-12-31;1000,5;4;relevé\n"
_EMISSIONS = (
    "timestamp,project_name,run_id,experiment_id,duration,emissions,emissions_rate,cpu_power,gpu_power,ram_power,cpu_energy,"
    "gpu_energy,ram_energy,energy_consumed,country_name,country_iso_code\n"
    "2026-11-23T10:00:00,codecarbon,r1,e1,3600.5,0.0051,1.4e-06,42.5,0,10,0.0425,0,0.01,0.0525,France,FRA\n"
)
_SETTINGS = 'zone = "FRA"\npue = 1.3\nflush_seconds = 10\ntimezone = "Europe/Paris"\ninstance = "host-1"\n'
_RULES = '[[rule]]\nservice = "vadore"\nunit = "inference-*"\n\n[[rule]]\nservice = "b"\nphase = "training"\nunit = "x"\n'
_BUDGETS = "[vadore.inference]\nenergy_per_unit_wh = 0.8\n"


def _publication_texts() -> list[bytes]:
    found = [(name, (_published() / "2026Q4" / name).read_bytes()) for name in _SEALED]
    return [name.encode() + b"\n" + content for name, content in found if len(content) < 200_000]


KINDS: dict[str, Kind] = {
    "journal": Kind(_journal, _record_texts),
    "ledger": Kind(_ledger, _row_texts),
    "catalogue": Kind(_catalogue, _files),
    "outcomes": Kind(_table("outcomes.csv"), _texts("service;quarter;accepted;source\nvadore;2026Q4;3900,5;enquête\n")),
    "regions": Kind(_table("regions.csv"), _texts("region,service,quarter,units,source\nBretagne,vadore,2026Q4,120,suivi\n")),
    "workbook": Kind(_workbook, lambda: [_parts()[SHEET]]),
    "generic": Kind(_importer("generic"), _texts(_GENERIC)),
    "eco2mix": Kind(
        _importer("eco2mix"),
        lambda: [xls([("2026-11-23", "00:00", "41"), ("2026-11-23", "00:30", "42")]).encode("cp1252"), _OPEN_DATA.encode()],
    ),
    "electricitymaps": Kind(_importer("electricitymaps"), _texts(_MAPS)),
    "ademe": Kind(_importer("ademe"), lambda: [_ADEME.encode("cp1252")]),
    "declared": Kind(_declared, _texts(_ACTIVITY, _HOURS, _EMISSIONS)),
    "toml": Kind(_toml, _texts(_SETTINGS, _RULES, _BUDGETS)),
    "publication": Kind(_publication, _publication_texts),
}
"""Every kind by name."""
