"""The PDF as a screen reader, an archive and a committee find it, read with another library than the one that wrote it."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import os
import pickle
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pikepdf
import pytest

from ecoia.keeping.journal import Journal
from ecoia.report import QuarterlyReport
from ecoia_dashboards.language import LANGUAGES
from ecoia_dashboards.pages import Edition
from ecoia_dashboards.pdf import EDITIONS, SYSTEM_PACKAGES, render_pdf, write_edition
from support.records import kwh, record
from support.reports import poisoned, sample_report

# What they reach of the core, its own tests reach; tracing what draws would double their CPU time.
pytestmark = pytest.mark.no_cover

# Kinds allowed below each kind (ISO 32000-1, 14.8.4), as far as they matter to a listener.
BELOW = {
    "/Table": {"/TR", "/THead", "/TBody", "/TFoot", "/Caption"},
    "/THead": {"/TR"},
    "/TBody": {"/TR"},
    "/TFoot": {"/TR"},
    "/TR": {"/TH", "/TD"},
    "/L": {"/L", "/LI", "/Caption"},
    "/LI": {"/Lbl", "/LBody"},
}
ABOVE = {
    "/TR": {"/Table", "/THead", "/TBody", "/TFoot"},
    "/TH": {"/TR"},
    "/TD": {"/TR"},
    "/LI": {"/L"},
    "/LBody": {"/LI"},
    "/Lbl": {"/LI"},
    "/Caption": {"/Table", "/L"},
}
NAMESPACES = {
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "dc": "http://purl.org/dc/elements/1.1/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
}


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> QuarterlyReport:
    return sample_report(tmp_path_factory.mktemp("catalogue"))


@pytest.fixture(scope="module")
def content_of(sample: QuarterlyReport) -> Callable[[str], bytes]:
    """Return a function that gives an edition by its language and the ending of its name, each drawn once: it takes seconds."""

    @cache
    def drawn(name: str) -> bytes:
        lang, ending = name[:2], name[2:]
        return write_edition(sample, lang, EDITIONS[ending])

    return drawn


NAMES = [f"{lang}{ending}" for lang in LANGUAGES for ending in EDITIONS]


@pytest.fixture(params=NAMES)
def pdf(content_of: Callable[[str], bytes], request: pytest.FixtureRequest) -> Iterator[pikepdf.Pdf]:
    with pikepdf.open(io.BytesIO(content_of(request.param))) as found:
        yield found


def children(element: Any) -> list[Any]:
    kids = element.get("/K", pikepdf.Array())
    found = list(kids) if isinstance(kids, pikepdf.Array) else [kids]
    # A link refers to its annotation, which is no element.
    return [kid for kid in found if not (isinstance(kid, pikepdf.Dictionary) and kid.get("/Type") == pikepdf.Name.OBJR)]


def elements(pdf: pikepdf.Pdf) -> Iterator[tuple[Any, str]]:
    """Every element of the structure, with the kind of its parent."""
    waiting = [(child, "") for child in children(pdf.Root.StructTreeRoot)]
    while waiting:
        element, above = waiting.pop(0)
        yield element, above
        waiting = [(kid, str(element.S)) for kid in children(element) if isinstance(kid, pikepdf.Dictionary)] + waiting


def kinds(pdf: pikepdf.Pdf) -> Counter[str]:
    return Counter(str(element.S) for element, _ in elements(pdf))


class TestAccessible:
    def test_it_is_tagged_in_its_language_and_shows_its_title(self, pdf: pikepdf.Pdf) -> None:
        lang = str(pdf.Root.Lang)
        assert lang in LANGUAGES
        assert bool(pdf.Root.MarkInfo.Marked)
        assert bool(pdf.Root.ViewerPreferences.DisplayDocTitle)
        assert {"fr": "Énergie et CO₂e", "en": "Energy and CO₂e"}[lang] in str(pdf.docinfo.Title)
        assert all(str(page.obj.Tabs) == "/S" for page in pdf.pages)

    def test_the_structure_has_headings_lists_tables_and_figures_in_legal_places(self, pdf: pikepdf.Pdf) -> None:
        found = kinds(pdf)
        assert found["/H1"] == 1
        assert 11 <= found["/H2"] <= 12  # the evidence has its contents too
        assert min(found[kind] for kind in ("/H3", "/P", "/L", "/LI", "/Table", "/TH", "/TD", "/Caption", "/Figure")) > 0
        for element, above in elements(pdf):
            kind = str(element.S)
            assert above in ABOVE.get(kind, {above}), f"{kind} below {above}"
            for child in children(element):
                if isinstance(child, pikepdf.Dictionary):
                    assert str(child.S) in BELOW.get(kind, {str(child.S)}), f"{child.S} below {kind}"

    def test_headings_skip_no_level(self, pdf: pikepdf.Pdf) -> None:
        levels = [int(str(element.S)[2:]) for element, _ in elements(pdf) if re.fullmatch(r"/H\d", str(element.S))]
        assert levels[0] == 1
        assert all(after <= before + 1 for before, after in itertools.pairwise(levels))

    def test_headings_of_tables_say_what_they_head_and_can_be_found_by_name(self, pdf: pikepdf.Pdf) -> None:
        names = list(pdf.Root.StructTreeRoot.IDTree.Names)
        known = {bytes(name) for name in names[::2]}
        assert [bytes(name) for name in names[::2]] == sorted(known)
        headings = [(element, above) for element, above in elements(pdf) if str(element.S) == "/TH"]
        assert {str(element.A.Scope) for element, _ in headings} == {"/Column", "/Row"}
        assert {bytes(element.ID) for element, _ in headings} == known
        cells = [element for element, _ in elements(pdf) if str(element.S) == "/TD"]
        assert all({bytes(name) for name in cell.A.Headers} <= known for cell in cells)
        assert sum(len(cell.A.Headers) == 2 for cell in cells) > len(cells) / 2

    def test_each_figure_has_the_text_of_the_page(self, pdf: pikepdf.Pdf) -> None:
        texts = [str(element.Alt) for element, _ in elements(pdf) if str(element.S) == "/Figure"]
        assert len(texts) in (2, 4)  # of the evidence, and of the committee edition
        assert all(len(text) > 40 for text in texts)

    def test_everything_drawn_is_in_the_structure_or_marked_as_no_content(self, pdf: pikepdf.Pdf) -> None:
        reached: dict[Any, set[int]] = {}
        for element, _ in elements(pdf):
            for kid in children(element):
                if not isinstance(kid, pikepdf.Dictionary):
                    reached.setdefault(element.Pg.objgen, set()).add(int(kid))
        for page in pdf.pages:
            depth, marked = 0, []
            for operands, operator in pikepdf.parse_content_stream(page):
                name = str(operator)
                if name in ("BDC", "BMC"):
                    depth += 1
                    marked += [int(operands[1].MCID)] if str(operands[0]) != "/Artifact" else []
                elif name == "EMC":
                    depth -= 1
                elif name in ("Tj", "TJ", "Do", "f", "f*", "S", "B", "sh"):
                    assert depth > 0, f"{name} outside of what is marked"
            assert set(marked) == reached[page.obj.objgen]
            assert len(marked) == len(set(marked))
            foot = [str(operands[1].Subtype) for operands, _ in pikepdf.parse_content_stream(page) if has_type(operands)]
            assert foot
            assert set(foot) == {"/Footer"}

    def test_the_outline_leads_to_every_part(self, pdf: pikepdf.Pdf) -> None:
        with pdf.open_outline() as outline:
            (title,) = outline.root
            parts = [item.title for item in title.children]
        numbers = [part.split(".")[0] for part in parts if part[0].isdigit()]
        assert numbers == [str(number) for number in range(1, 12)]


def has_type(operands: Any) -> bool:
    return len(operands) == 2 and isinstance(operands[1], pikepdf.Dictionary) and "/Subtype" in operands[1]


class TestArchived:
    def test_it_says_pdf_a_3a_and_pdf_ua_1(self, pdf: pikepdf.Pdf) -> None:
        with pdf.open_metadata() as metadata:
            assert metadata.pdfa_status == "3A"
            assert metadata["pdfuaid:part"] == "1"
            assert metadata["dc:title"] == str(pdf.docinfo.Title)
            assert metadata["dc:language"] == {str(pdf.Root.Lang)} or str(pdf.Root.Lang) in metadata["dc:language"]
            assert metadata["pdf:Producer"] == str(pdf.docinfo.Producer)
        packet = pdf.Root.Metadata.read_raw_bytes()  # readable without a PDF reader
        root = ElementTree.fromstring(packet)  # noqa: S314 - our own
        assert len(root.findall("rdf:RDF", NAMESPACES)) == 1
        assert b"pdfaExtension:schemas" in packet
        assert pdf.Root.OutputIntents[0].S == "/GTS_PDFA1"

    def test_dates_are_those_of_the_data(self, pdf: pikepdf.Pdf, sample: QuarterlyReport) -> None:
        assert sample.last_record_utc == "2026-12-01T00:29:00Z"
        assert str(pdf.docinfo.CreationDate) == str(pdf.docinfo.ModDate) == "D:20261201002900Z"
        with pdf.open_metadata() as metadata:
            assert metadata["xmp:CreateDate"] == sample.last_record_utc

    def test_the_data_is_attached_byte_for_byte(self, pdf: pikepdf.Pdf, sample: QuarterlyReport) -> None:
        assert list(pdf.attachments) == ["rapport-2026Q4.json"]
        file = pdf.attachments["rapport-2026Q4.json"].get_file()
        assert file.read_bytes() == sample.to_json().encode()
        assert file.mime_type == "application/json"
        (associated,) = pdf.Root.AF
        assert str(associated.AFRelationship) == "/Data"

    def test_every_font_is_inside(self, pdf: pikepdf.Pdf) -> None:
        descriptors = [
            item for item in pdf.objects if isinstance(item, pikepdf.Dictionary) and item.get("/Type") == "/FontDescriptor"
        ]
        assert len(descriptors) >= 2
        assert all("/FontFile2" in item or "/FontFile3" in item for item in descriptors)
        names = {str(item.FontName).partition("+")[2].partition("-Bold")[0] for item in descriptors}
        assert {"ecoia-text"} <= names <= {"ecoia-text", "ecoia-mono"}

    def test_nothing_runs_and_nothing_leads_out(self, pdf: pikepdf.Pdf) -> None:
        for item in pdf.objects:
            if isinstance(item, pikepdf.Dictionary):
                assert str(item.get("/S", "")) not in ("/JavaScript", "/URI", "/Launch", "/SubmitForm", "/GoToR")
                assert "/JS" not in item
        assert "/OpenAction" not in pdf.Root
        assert "/AcroForm" not in pdf.Root


class TestSameBytes:
    def test_equal_reports_give_equal_files_in_any_process_with_fonts_or_without(
        self, sample: QuarterlyReport, content_of: Callable[[str], bytes], tmp_path: Path
    ) -> None:
        (tmp_path / "report").write_bytes(pickle.dumps(sample))
        (tmp_path / "none.conf").write_text("<?xml version='1.0'?><fontconfig></fontconfig>")
        program = (
            "import hashlib, pickle, sys; from pathlib import Path; from ecoia_dashboards.pdf import render_pdf\n"
            "for ending, pdf in render_pdf(pickle.loads(Path(sys.argv[1]).read_bytes())).items():\n"
            "    print(ending, hashlib.sha256(pdf).hexdigest())"
        )
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": "2", "TZ": "Pacific/Kiritimati"}
        env |= {"FONTCONFIG_FILE": str(tmp_path / "none.conf")}
        words = (sys.executable, "-c", program, str(tmp_path / "report"))
        said = subprocess.run(words, capture_output=True, text=True, check=True, env=env).stdout
        assert dict(line.split() for line in said.splitlines()) == {
            ending: hashlib.sha256(content_of(f"fr{ending}")).hexdigest() for ending in EDITIONS
        }

    def test_another_report_and_another_language_are_other_files(self, content_of: Callable[[str], bytes]) -> None:
        contents, identifiers = [content_of(name) for name in NAMES], set()
        for content in contents:
            with pikepdf.open(io.BytesIO(content)) as pdf:
                identifiers.add(bytes(pdf.trailer.ID[0]))
        assert len(identifiers) == len(contents)
        assert len({hashlib.sha256(content).hexdigest() for content in contents}) == len(contents)


def test_hostile_texts_stay_texts(sample: QuarterlyReport) -> None:
    hostile = poisoned(sample)
    with pikepdf.open(io.BytesIO(write_edition(hostile, "fr", Edition.EVIDENCE))) as pdf:
        TestArchived().test_nothing_runs_and_nothing_leads_out(pdf)
        alternatives = [str(element.Alt) for element, _ in elements(pdf) if str(element.S) == "/Figure"]
        for text in (str(pdf.docinfo.Title), *alternatives):
            assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
        assert "<script>alert(1)</script>" in str(pdf.docinfo.Title)
        ElementTree.fromstring(pdf.Root.Metadata.read_raw_bytes())  # noqa: S314 - our own
        attached = pdf.attachments["rapport-2026Q4.json"].get_file().read_bytes()
        assert json.loads(attached)["organisation"] == hostile.organisation


def test_without_pango_the_packages_are_named_and_the_page_is_written(home: Path, tmp_path: Path) -> None:
    writer = Journal(home).writer()
    writer.append([record(cpu=kwh(1))])
    writer.close()
    package = tmp_path / "lame" / "weasyprint"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise OSError(\"cannot load library 'libpango-1.0-0'\")\n")
    words = [sys.executable, "-m", "ecoia", "report", "--quarter", "2026Q4", "--from", "journal", "--format", "pdf,html,json"]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(package.parent), *sys.path])}
    run = subprocess.run([*words, "--out", str(tmp_path / "out")], capture_output=True, text=True, timeout=600, env=env)
    assert run.returncode == 1
    assert f"apt-get install {SYSTEM_PACKAGES}" in run.stderr
    assert "please report this" not in run.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["rapport-2026Q4.html", "rapport-2026Q4.json"]


def test_without_weasyprint_the_extra_is_named(sample: QuarterlyReport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    with pytest.raises(ImportError, match=re.escape("pip install 'ecoia[pdf]'")):
        render_pdf(sample)
