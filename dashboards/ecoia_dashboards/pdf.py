"""Write the report's editions as PDF for screen readers and archives: PDF/UA-1 and PDF/A-3a, with the data attached.

WeasyPrint makes them from HTML, with fonts that matplotlib carries, so a machine without fonts draws the same. Nothing is
fetched from anywhere. Dates are those of the data, and the file's id is their hash, so equal reports give equal bytes.
"""

from __future__ import annotations

import hashlib
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from ecoia.errors import EcoiaError, MissingExtraError
from ecoia.report import QuarterlyReport
from ecoia_dashboards.naming import report_name
from ecoia_dashboards.pages import Edition, render_edition
from ecoia_dashboards.svg import OUR_FONT
from ecoia_dashboards.versions import PAGE, versions

SYSTEM_PACKAGES = "libpango-1.0-0 libpangoft2-1.0-0"

EDITIONS = {".pdf": Edition.COMMITTEE, "-preuves.pdf": Edition.EVIDENCE}
"""Each document by the ending of its file's name."""

_VARIANT = "pdf/a-3a"  # tagged, with attachments; PDF/UA-1 is stated beside it

_FACES = (
    (OUR_FONT, "normal", "DejaVuSans.ttf"),
    (OUR_FONT, "bold", "DejaVuSans-Bold.ttf"),
    ("ecoia-mono", "normal", "DejaVuSansMono.ttf"),
)
"""Families of our own, from fonts that matplotlib carries: a system's fonts of the same name may be of another version."""

_XMP = """\
<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/" pdfaid:part="3" pdfaid:conformance="A"/>
<rdf:Description rdf:about="" xmlns:pdfuaid="http://www.aiim.org/pdfua/ns/id/" pdfuaid:part="1"/>
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/">
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">{title}</rdf:li></rdf:Alt></dc:title>
<dc:language><rdf:Bag><rdf:li>{lang}</rdf:li></rdf:Bag></dc:language>
</rdf:Description>
<rdf:Description rdf:about="" xmlns:pdf="http://ns.adobe.com/pdf/1.3/" pdf:Producer="{producer}"/>
<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:CreateDate="{moment}" xmp:ModifyDate="{moment}"/>
<rdf:Description rdf:about="" xmlns:pdfaExtension="http://www.aiim.org/pdfa/ns/extension/"
 xmlns:pdfaSchema="http://www.aiim.org/pdfa/ns/schema#" xmlns:pdfaProperty="http://www.aiim.org/pdfa/ns/property#">
<pdfaExtension:schemas><rdf:Bag><rdf:li rdf:parseType="Resource">
<pdfaSchema:schema>PDF/UA identification</pdfaSchema:schema>
<pdfaSchema:namespaceURI>http://www.aiim.org/pdfua/ns/id/</pdfaSchema:namespaceURI>
<pdfaSchema:prefix>pdfuaid</pdfaSchema:prefix>
<pdfaSchema:property><rdf:Seq><rdf:li rdf:parseType="Resource">
<pdfaProperty:name>part</pdfaProperty:name>
<pdfaProperty:valueType>Integer</pdfaProperty:valueType>
<pdfaProperty:category>internal</pdfaProperty:category>
<pdfaProperty:description>Part of ISO 14289 to which the document conforms</pdfaProperty:description>
</rdf:li></rdf:Seq></pdfaSchema:property>
</rdf:li></rdf:Bag></pdfaExtension:schemas>
</rdf:Description>
</rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""
"""Metadata that identifies the file. PDF/A does not know PDF/UA, so the schema of its identification is described too."""


def render_pdf(report: QuarterlyReport, lang: str = "fr") -> dict[str, bytes]:
    """Write the report as two PDF: the committee edition and the evidence. The quarter's JSON is attached to both.

    Args:
        report: The quarter's data.
        lang: Language of the documents, one of ``language.LANGUAGES``.

    Returns:
        The files, by the ending of their name after that of the report. Equal reports give equal bytes, with the same WeasyPrint
        and Pango.

    Raises:
        MissingExtraError: WeasyPrint is not installed.
        EcoiaError: Pango, a package of the system, is not installed.
        UsageError: the language is not one of ours.

    Example:
        >>> Path("evidence.pdf").write_bytes(render_pdf(report)["-preuves.pdf"])  # doctest: +SKIP
    """
    return {ending: write_edition(report, lang, edition) for ending, edition in EDITIONS.items()}


def write_edition(report: QuarterlyReport, lang: str, edition: Edition) -> bytes:
    """Write one edition as a PDF.

    Args:
        report: The quarter's data.
        lang: Language of the document, one of ``language.LANGUAGES``.
        edition: Which of the documents.

    Returns:
        The file.

    Raises:
        MissingExtraError: WeasyPrint is not installed.
        EcoiaError: Pango, a package of the system, is not installed.

    Example:
        >>> write_edition(report, "fr", Edition.COMMITTEE)[:5]  # doctest: +SKIP
        b'%PDF-'
    """
    weasyprint = _weasyprint()
    from weasyprint.text.fonts import FontConfiguration
    from weasyprint.urls import URLFetcher

    html = render_edition(report, lang, edition)
    data = report.to_json().encode("utf-8", "backslashreplace")
    moment = datetime.fromisoformat(report.last_record_utc or report.end_utc).astimezone(UTC)
    # Only the page's own images and the fonts beside matplotlib may be opened.
    held, ours = URLFetcher(allowed_protocols={"data"}), URLFetcher(allowed_protocols={"file"})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # WeasyPrint does not close the colour profile that it reads
        fonts = FontConfiguration()
        sheet = weasyprint.CSS(string=_sheet(), font_config=fonts, url_fetcher=ours)
        page = weasyprint.HTML(string=html, url_fetcher=held)
        document = page.render(font_config=fonts, stylesheets=[sheet], pdf_variant=_VARIANT)
        document.metadata.created = document.metadata.modified = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
        attached = weasyprint.Attachment(
            string=data,
            name=f"{report_name(report)}.json",
            description=document.metadata.title,
            created=moment,
            modified=moment,
            relationship="Data",
        )
        pdf: bytes = document.write_pdf(
            pdf_variant=_VARIANT,
            pdf_identifier=hashlib.sha256(f"{lang} {edition}".encode() + data).hexdigest()[:32].encode(),
            attachments=[attached],
            finisher=_finish,
        )
    return pdf


def drawn_with() -> dict[str, str]:
    """Return the versions of what decides the file's bytes (``ecoia.cli.formats``)."""
    _weasyprint()
    from weasyprint.text.ffi import pango

    return versions(*PAGE, "fonttools", "pydyf", "weasyprint", compressed=True) | {"pango": str(pango.pango_version())}


def _weasyprint() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*Expect ugly output", UserWarning)  # on a system without fonts; we bring ours
            import weasyprint
    except ImportError as error:
        raise MissingExtraError("the PDF", "weasyprint", extra="pdf") from error
    except OSError as error:
        raise EcoiaError(
            f"the PDF needs Pango, which is not on this system ({error}): apt-get install {SYSTEM_PACKAGES}; "
            "elsewhere, this system's packages of Pango 1.44 or later"
        ) from error
    return weasyprint


def _sheet() -> str:
    """Write the fonts, and the rules that differ from the page's own sheet."""
    import matplotlib

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    faces = "".join(
        f'@font-face {{ font-family: "{family}"; font-weight: {weight}; src: url("{(folder / file).as_uri()}"); }}\n'
        for family, weight, file in _FACES
    )
    return faces + (Path(__file__).parent / "templates" / "pdf.css").read_text(encoding="utf-8")


def _finish(document: Any, pdf: Any) -> None:
    """Correct the document before WeasyPrint writes it."""
    import pydyf

    objects = {item.reference: item for item in pdf.objects}
    _identify(document, pdf, objects)
    root = objects[pdf.catalog["StructTreeRoot"]]
    known = _mend(objects[root["K"][0]], objects)
    _name_headings(pdf, root)
    _set_margins_apart(pdf, objects, known)
    pdf.catalog["AF"] = pydyf.Array(dict.fromkeys(pdf.catalog["AF"]))  # each attachment once
    for item in pdf.objects:
        if getattr(item, "extra", {}).get("Subtype") == "/Form":
            item.extra.pop("Group", None)  # nothing here is transparent, and Chrome cuts the first letter of a group


def _identify(document: Any, pdf: Any, objects: dict[bytes, Any]) -> None:
    """State PDF/UA beside PDF/A, and the language of the title."""
    described = objects[pdf.catalog["Metadata"]]
    said = {
        "title": document.metadata.title,
        "lang": document.metadata.lang,
        "producer": pdf.info["Producer"].string,
        "moment": document.metadata.created,
    }
    described.stream = [_XMP.format(**{key: escape(value, {'"': "&quot;"}) for key, value in said.items()}).encode()]
    described.compress = False


def _mend(element: Any, objects: dict[bytes, Any], above: str = "") -> set[bytes]:
    """Correct the structure to the forms that the standard allows, and return every element that can be reached.

    A list holds only items and lists, so each ``div`` of a ``dl`` becomes a list. Only a table has a caption. A table's
    heading states whether it heads a column or a row.
    """
    kind = element["S"]
    children = [objects[child] for child in element["K"] if isinstance(child, bytes)]
    children = [child for child in children if child.get("Type") == "/StructElem"]
    if kind == "/L":
        for child in children:
            if child["S"] == "/Div":
                child["S"] = "/L"
    elif kind == "/Caption" and above != "/Table":
        element["S"] = "/P"
    elif kind == "/TR":
        for child in children:
            if child["S"] == "/TH":
                child["A"]["Scope"] = "/Column" if above == "/THead" else "/Row"
    return {element.reference}.union(*(_mend(child, objects, kind) for child in children))


def _name_headings(pdf: Any, root: Any) -> None:
    """List the elements that have a name: cells refer to their headings by name."""
    import pydyf

    elements = [item for item in pdf.objects if isinstance(item, pydyf.Dictionary) and "ID" in item]
    named = sorted((element["ID"].string.encode(), element["ID"], element.reference) for element in elements)
    names = [part for _, name, reference in named for part in (name, reference)]
    root["IDTree"] = pydyf.Dictionary({"Names": pydyf.Array(names)})


def _set_margins_apart(pdf: Any, objects: dict[bytes, Any], known: set[bytes]) -> None:
    """Mark the running foot of each page, which no reachable element holds, as an artifact and not content."""
    numbers = objects[objects[pdf.catalog["StructTreeRoot"]]["ParentTree"]]["Nums"]
    pages = [item for item in pdf.objects if isinstance(item, dict) and item.get("Type") == "/Page"]
    for page in pages:
        elements = numbers[2 * page["StructParents"] + 1]
        stream = objects[page["Contents"]].stream
        for place, item in enumerate(stream):
            if isinstance(item, dict) and "MCID" in item and elements[item["MCID"]] not in known:
                elements[item["MCID"]] = "null"
                stream[place - 1 : place + 1] = ["/Artifact", b"<</Type /Pagination /Subtype /Footer>>"]
