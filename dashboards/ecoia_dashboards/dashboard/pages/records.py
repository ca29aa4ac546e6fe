"""The ledger rows behind a figure: they add up to it, to the microjoule."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from ecoia.errors import UsageError
from ecoia.exploring import RowLine
from ecoia.periods import utc_datetime
from ecoia.records import Row
from ecoia.records.id_sets import ids_of
from ecoia.report import Quantity
from ecoia.semconv import COMPONENTS, KIND_SPAN, PHASE_UNSPECIFIED, SERVICE_UNSPECIFIED
from ecoia.units import from_micro, kwh
from ecoia_dashboards import wording
from ecoia_dashboards.cleaning import clean
from ecoia_dashboards.dashboard.address import BadAddressError
from ecoia_dashboards.dashboard.page import Page, Reading, Shown
from ecoia_dashboards.dashboard.pages.formula import FILTERS
from ecoia_dashboards.dashboard.recomputation import recomputation
from ecoia_dashboards.dashboard.row_stream import rows_csv
from ecoia_dashboards.dashboard.tables import FIGURE, Cell, Heading, Link, Mark, Table
from ecoia_dashboards.dashboard.view import period_text
from ecoia_dashboards.language import Language
from ecoia_dashboards.wording import N_

_ROWS = 50
_RUN_CHARACTERS = 12


@dataclass(frozen=True)
class Records:
    """The data of the page.

    Attributes:
        of: The run or instance whose rows alone are listed; empty: all of the selection.
        region: The region, which bears a part of the rows' energy; empty: no region is selected.
        count: How many rows there are in all.
        microjoules: Their energy, before any factor; of a region, its part of it.
        figure_microjoules: The energy of the selection, which all its rows add up to.
        rows: Some of them.
        next: Key after which the list goes on. None: these are the last.
        recomputation: SQL that adds up the same rows of ``ecoia export``.
    """

    of: str
    region: str
    count: int
    microjoules: int
    figure_microjoules: int
    rows: tuple[RowLine, ...]
    next: str | None
    recomputation: str

    @property
    def agree(self) -> bool | None:
        """Whether the rows add up to the figure of the selection; None where they are some of them, or a region has a part."""
        return None if self.of or self.region else self.microjoules == self.figure_microjoules


def read(reading: Reading) -> Records:
    """Read a page of rows."""
    address, selection = reading.address, reading.selection
    try:
        page = reading.explorer.rows(selection, address.after or None, _ROWS, address.q)
    except UsageError as error:
        raise BadAddressError("after", address.after, form="the key that a page of rows gave, such as 2026Q3.200") from error
    figure = reading.explorer.selected(selection).microjoules
    return Records(address.q, address.region, page.count, page.microjoules, figure, page.rows, page.next, recomputation(reading))


def show(content: Records, reading: Reading, language: Language) -> Shown:
    """Say what the rows add up to."""
    values = {"content": content, "period": period_text(reading.period, language), "first": not reading.address.after}
    if not content.count:
        sentence = (
            language.t("Aucun run ni machine « %(name)s » dans cette sélection.", name=content.of)
            if content.of
            else language.t("Aucune ligne de relevés dans cette sélection.")
        )
        return Shown(sentence, values=values)
    sentence = _sentence(content, language)
    lead = language.t(
        "%(energy)s, avant tout facteur : composants seuls, sans prise ni bâtiment.",
        energy=language.with_unit(language.whole(content.microjoules), "µJ"),
    )
    return Shown(sentence, lead, tables={"records": _table(content, reading, language)}, values=values)


def _sentence(content: Records, language: Language) -> str:
    energy = language.amount(Quantity(kwh(content.microjoules), "kWh"))
    if content.region and not content.of:
        return language.n(
            "%(count)s ligne de relevés, dont la région porte %(energy)s.",
            "%(count)s lignes de relevés, dont la région porte %(energy)s.",
            content.count,
            energy=energy,
        )
    return language.n(
        "%(count)s ligne de relevés, qui vaut %(energy)s au microjoule près.",
        "%(count)s lignes de relevés, qui s’additionnent à %(energy)s au microjoule près.",
        content.count,
        energy=energy,
    )


def _table(content: Records, reading: Reading, language: Language) -> Table:
    headings = (
        Heading(language.t("Demi-heure")),
        Heading(language.t("Service, phase")),
        Heading(language.t("Machine")),
        Heading(language.t("Compté ici, µJ"), FIGURE),
        Heading(language.t("Composants, µJ, et comment ils sont connus")),
        Heading(language.t("Run")),
        Heading(language.t("Unités"), FIGURE),
        Heading(language.t("Enregistrements"), FIGURE),
    )
    lines = tuple(_line(each, reading, language) for each in clean(content.rows))
    shown = sum(each.microjoules or 0 for each in content.rows)
    empty: tuple[Cell, ...] = (None,) * (len(headings) - 4)
    foot = (
        (language.t("Lignes de cette page"), None, None, shown, *empty),
        (
            language.n("Toutes (%(count)s ligne)", "Toutes (%(count)s lignes)", content.count),
            None,
            None,
            None if content.region and not content.of else content.microjoules,
            *empty,
        ),
    )
    title = language.n("%(count)s ligne", "%(count)s lignes", len(lines))
    if content.count > len(lines):
        title = language.t("%(count)s lignes sur %(all)s", count=language.whole(len(lines)), all=language.whole(content.count))
    subtitle = language.t("Dans l’ordre du temps · µJ entiers · « — » : pas d’énergie connue, ce qui n’est pas zéro")
    return Table("records", title, headings, lines, subtitle, foot)


def _line(line: RowLine, reading: Reading, language: Language) -> tuple[Cell, ...]:
    row = line.row
    run, units = row["run_id"], row["units_micro"]
    return (
        language.moment(utc_datetime(row["half_hour_utc_ns"]).isoformat(), reading.state.timezone),
        _bearer(row, reading, language),
        row["instance"],
        line.microjoules,
        _components(row, language),
        Link(run[:_RUN_CHARACTERS], f"/records?{reading.address.to(q=run).query()}") if run else None,
        None if units is None else language.plain(from_micro(units)),
        ids_of(row).count,
    )


def _bearer(row: Row, reading: Reading, language: Language) -> str:
    """Name the service and phase of a row, or what it is where no service bears it."""
    if row["kind"] != KIND_SPAN:
        said, service = language.of(wording.KINDS, row["kind"]), row["service"]
    else:
        said, service = language.of(wording.PHASES, row["phase"] or PHASE_UNSPECIFIED), row["service"] or SERVICE_UNSPECIFIED
    return f"{reading.names.get(service, service)}, {said}" if service else said


def _components(row: Row, language: Language) -> Mark | None:
    """Write the energy of each component that has any, with its method and status as the ledger holds them, a line each."""
    known = {component: energy for component in COMPONENTS if (energy := row["energy_microjoules"][component]) is not None}
    if not known:
        return None
    said = []
    for component, energy in known.items():
        method = row["method"][component]
        how = f"{method['name']}, {language.of(wording.STATUSES, method['status'])}"
        said.append((energy, f"{language.of(wording.COMPONENTS, component)}{language.t(' : ')}{language.whole(energy)} ({how})"))
    drawn = Markup("<br>").join(Markup('<data value="{}">{}</data>').format(*each) for each in said)
    return Mark(drawn, language.t(" ; ").join(text for _, text in said))


PAGE = Page(
    "records",
    "/records",
    N_("Les relevés derrière un chiffre"),
    read,
    show,
    filters=(*FILTERS, "q"),
    in_navigation=False,
    stream=rows_csv,
)
