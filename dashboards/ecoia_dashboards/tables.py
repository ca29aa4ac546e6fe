"""The report as tidy tables: what CSV, spreadsheets and Parquet share.

``tables(report)`` speaks no language: a column has an id (its heading where machines read) and a French title, a cell is a
value, an id or a code. ``indicators`` is the long form, one line a figure; the others hold one item a line. A cell that is
empty is unknown, never zero; where a figure has no value, the column of its reason says why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from ecoia.impact.embodied import MICROGRAMS_PER_KG
from ecoia.report import (
    BudgetState,
    FactorUsed,
    Measure,
    PhaseResult,
    Quantity,
    QuarterChange,
    QuarterlyReport,
    RunUsed,
    ServiceEntry,
)
from ecoia.semconv import DECLARED, ESTIMATED, NOT_LACKING
from ecoia.units import kwh
from ecoia_dashboards import wording
from ecoia_dashboards.cleaning import clean
from ecoia_dashboards.figures import service_names
from ecoia_dashboards.language import Language
from ecoia_dashboards.wording import N_

Cell = str | int | float | bool | date | datetime | tuple[str, ...] | None
Row = tuple[Cell, ...]

TEXT, CODES, NUMBER, INTEGER, FLAG, DAY, MOMENT = "text", "codes", "number", "integer", "flag", "day", "moment"
"""What a column holds. ``codes``: several, in a tuple; ``moment``: an instant, in UTC."""

LOW, HIGH = N_("%(what)s, borne basse à 95 %%"), N_("%(what)s, borne haute à 95 %%")
REASON = N_("%(what)s : pourquoi aucune valeur")

_SUFFIXES = {"kWh": "_kwh", "kgCO2e": "_kg", "gCO2e": "_g", "Wh": "_wh", "L": "_litres"}

_INDICATORS = {
    **wording.INDICATORS,
    "energy_per_unit": N_("énergie par unité"),
    "sci_training": N_("intensité SCI, dont entraînement amorti"),
}
_UNITS = {"1": N_("part")}
_BOUNDARIES = {
    "site": N_("bâtiment compris"),
    "part": N_("bâtiment compris pour une partie"),
    "it": N_("hors bâtiment"),
}
_FACTOR_USES = {"current": N_("facteur courant"), "constant": N_("facteur constant")}
_BETTER = {"higher": N_("le plus haut est le meilleur"), "lower": N_("le plus bas est le meilleur")}
_OUTCOMES = ("ok", "failed", "abandoned")
_AGAINST = {"previous-quarter": N_("trimestre précédent"), "year-before": N_("même trimestre un an avant")}
_VERDICT_REASONS = {**wording.REASONS, **wording.VERDICT_REASONS}


@dataclass(frozen=True)
class Column:
    """A column. ``words`` are the sentences of its codes, ``names`` what ids are called; ``form`` frames the title.

    ``unit`` is ``1`` for a share; ``unit_column`` is the id of the column that holds the unit, where each line has its own.
    """

    id: str
    title: str
    kind: str = TEXT
    unit: str = ""
    unit_column: str = ""
    words: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    form: str = ""

    def heading(self, language: Language) -> str:
        """The title for people, with the unit."""
        title = language.t(self.title)
        if self.form:
            title = language.t(self.form, what=title)
        return f"{title} ({self.unit})" if self.unit not in ("", "1") else title

    def said(self, cell: Cell, language: Language) -> Cell:
        """A cell for people: codes in words, ids by name; numbers, days and flags as they are."""
        if isinstance(cell, tuple):
            return language.t(" ; ").join(str(self.said(code, language)) for code in cell)
        if isinstance(cell, str):
            return self.names.get(cell) or language.of(dict(self.words), cell)
        return cell


@dataclass(frozen=True)
class Table:
    """Lines that hold one kind of item each."""

    id: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


def tables(report: QuarterlyReport) -> tuple[Table, ...]:
    """Every figure of a report, in tables: always the same ones, in the same order, some of them without a line.

    Texts are cleaned of control characters and marks of direction.
    """
    report = clean(report)
    return tuple(make(report) for make in _TABLES)


def _quantity(id_: str, title: str, unit: str, unit_column: str = "") -> tuple[Column, ...]:
    """The four columns of a figure: value, 95 % interval, and why there is no value."""
    suffix = _SUFFIXES.get(unit, "")
    return (
        Column(f"{id_}{suffix}", title, NUMBER, unit, unit_column),
        Column(f"{id_}_low{suffix}", title, NUMBER, unit, unit_column, form=LOW),
        Column(f"{id_}_high{suffix}", title, NUMBER, unit, unit_column, form=HIGH),
        Column(f"{id_}_reason", title, words=wording.REASONS, form=REASON),
    )


def _cells(quantity: Quantity) -> Row:
    return quantity.value, quantity.low, quantity.high, quantity.reason


def _energy(id_: str, title: str) -> tuple[Column, ...]:
    """Energy that is kept in whole microjoules, which add up exactly; in kWh beside."""
    return Column(f"{id_}_microjoules", title, INTEGER, "µJ"), Column(f"{id_}_kwh", title, NUMBER, "kWh")


def _energy_cells(microjoules: int) -> Row:
    return microjoules, kwh(microjoules)


def _made(id_: str, title: str) -> tuple[Column, ...]:
    """CO2e that is kept in whole micrograms, which add up exactly; in kg beside."""
    return Column(f"{id_}_micrograms", title, INTEGER, "µgCO2e"), Column(f"{id_}_kg", title, NUMBER, "kgCO2e")


def _made_cells(micrograms: int) -> Row:
    return micrograms, micrograms / MICROGRAMS_PER_KG


def _service(report: QuarterlyReport) -> Column:
    return Column("service", N_("Service"), names=service_names(report))


def _phase() -> Column:
    return Column("phase", N_("Phase"), words=wording.PHASES)


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


_VALIDITY = (Column("from_day", N_("Depuis le"), DAY), Column("until_day", N_("Jusqu’au (exclu)"), DAY))


# --- one line a figure -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Known:
    """How the energy behind a figure is known: of a phase, of a service as its phases say, of everything."""

    statuses: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    boundary: str | None = None
    precision_class: int | None = None
    simulated: bool = False

    @staticmethod
    def of(measures: Sequence[Measure], *, simulated: bool) -> _Known:
        shares = [share for measure in measures for share in measure.methods if share.name not in NOT_LACKING]
        boundaries = {measure.boundary for measure in measures}
        return _Known(
            statuses=tuple(dict.fromkeys(share.status for share in shares)),
            methods=tuple(dict.fromkeys(share.name for share in shares)),
            boundary="part" if len(boundaries) > 1 else next(iter(boundaries), None),
            precision_class=measures[0].precision_class if len(measures) == 1 else None,
            simulated=simulated,
        )


_WITHOUT_BUILDING = ("energy_components", "energy_it", "idle_rate", "waste_rate", "water_direct")
_OTHERWISE_KNOWN = {"co2e_embodied": (DECLARED,), "co2e_api": (ESTIMATED,)}
_SUMS = ("co2e", "sci", "co2e_per_accepted_outcome")


def _statuses(indicator: str, known: _Known) -> tuple[str, ...]:
    if indicator in _OTHERWISE_KNOWN:
        return _OTHERWISE_KNOWN[indicator]
    beside = _OTHERWISE_KNOWN["co2e_embodied"] if indicator in _SUMS else ()
    return tuple(dict.fromkeys((*known.statuses, *beside)))


def _indicators(report: QuarterlyReport) -> Table:
    rows: list[Row] = []

    def add(
        indicator: str,
        quantity: Quantity,
        known: _Known,
        service: str | None = None,
        phase: str | None = None,
        per: str | None = None,
        coverage: float | None = None,
    ) -> None:
        energy = quantity.value is not None and indicator not in _OTHERWISE_KNOWN and bool(known.methods)
        rows.append(
            (
                report.quarter,
                indicator,
                service,
                phase,
                quantity.value,
                quantity.unit,
                per,
                quantity.low,
                quantity.high,
                quantity.reason,
                () if quantity.value is None else _statuses(indicator, known),
                known.methods if energy else (),
                known.precision_class if energy and indicator in ("energy", "co2e_operational") else None,
                ("it" if indicator in _WITHOUT_BUILDING else known.boundary) if energy else None,
                coverage,
                known.simulated,
            )
        )

    share = report.coverage.share
    whole = _Known.of([report.totals], simulated=report.simulated)
    nothing = Quantity(None, "1", reason="no-data")
    add("coverage_services", nothing if share is None else Quantity(share, "1"), _Known(simulated=report.simulated))
    of_all = {
        "energy_components": report.totals.energy_components,
        "energy": report.totals.energy,
        "co2e_operational_market": report.totals.co2e_operational_market,
        **vars(report.footprint),
    }
    for indicator, quantity in of_all.items():
        add(indicator, quantity, whole, coverage=share)

    footprints = {each.service: each for each in report.services}
    for entry in report.register:
        results = [result for result in report.results if result.service == entry.id]
        known = _Known.of([result.measure for result in results], simulated=any(result.simulated for result in results))
        add("energy", entry.energy, known, entry.id)
        found = footprints.get(entry.id)
        if found is None:
            add("co2e_operational", entry.co2e, known, entry.id)
            continue
        for indicator, quantity in vars(found.footprint).items():
            add(indicator, quantity, known, entry.id)
        for indicator in ("sci", "sci_training", "training_intensity", "co2e_per_accepted_outcome"):
            unit = "accepted-outcome" if indicator == "co2e_per_accepted_outcome" else found.functional_unit
            add(indicator, getattr(found, indicator), known, entry.id, per=unit)

    for result in report.results:
        known = _Known.of([result.measure], simulated=result.simulated)
        bearer = (result.service, result.phase)
        add("energy_components", result.measure.energy_components, known, *bearer)
        add("energy", result.measure.energy, known, *bearer)
        add("co2e_operational", result.measure.co2e, known, *bearer)
        add("co2e_operational_market", result.measure.co2e_operational_market, known, *bearer)
        add("energy_per_unit", result.energy_per_unit, known, *bearer, per=result.functional_unit)

    return Table(
        "indicators",
        N_("Indicateurs"),
        (
            Column("quarter", N_("Trimestre")),
            Column("indicator", N_("Indicateur"), words=_INDICATORS),
            _service(report),
            _phase(),
            Column("value", N_("Valeur"), NUMBER, unit_column="unit"),
            Column("unit", N_("Unité"), words=_UNITS),
            Column("per", N_("Par"), words={"accepted-outcome": N_("résultat accepté")}),
            Column("low", N_("Valeur"), NUMBER, unit_column="unit", form=LOW),
            Column("high", N_("Valeur"), NUMBER, unit_column="unit", form=HIGH),
            Column("reason", N_("Valeur"), words=wording.REASONS, form=REASON),
            Column("status", N_("Origine de l’énergie"), CODES, words=wording.STATUSES),
            Column("method", N_("Méthode"), CODES, words=wording.METHODS),
            Column("precision_class", N_("Précision"), INTEGER),
            Column("boundary", N_("Bâtiment"), words=_BOUNDARIES),
            Column("coverage", N_("Couverture des services"), NUMBER, "1"),
            Column("simulated", N_("Simulé"), FLAG),
        ),
        tuple(rows),
    )


# --- one line an item ------------------------------------------------------------------------------------------


def _about(report: QuarterlyReport) -> Table:
    chosen = report.factor_set
    said: dict[str, tuple[str, object]] = {
        "organisation": (N_("Organisation"), report.organisation),
        "charter_title": (N_("Charte"), report.charter_title),
        "ethics_contact": (N_("Contact de la ligne éthique"), report.ethics_contact),
        "quarter": (N_("Trimestre"), report.quarter),
        "timezone": (N_("Fuseau horaire"), report.timezone),
        "start_utc": (N_("Début du trimestre (UTC)"), report.start_utc),
        "end_utc": (N_("Fin du trimestre, exclue (UTC)"), report.end_utc),
        "last_record_utc": (N_("Dernier enregistrement (UTC)"), report.last_record_utc),
        "register_as_of": (N_("Date du registre"), report.register_as_of),
        "zones": (N_("Zones électriques"), ", ".join(report.zones)),
        "pue": (N_("PUE hors des sites déclarés"), report.pue),
        "factor_set": (N_("Jeu de facteurs d’émission"), chosen and f"{chosen.id} {chosen.version}"),
        "reference_year": (N_("Année du facteur constant"), report.reference_year),
        "services_measured": (N_("Services mesurés"), report.coverage.measured),
        "services_declared": (N_("Services seulement déclarés"), report.coverage.declared),
        "services_named": (N_("Services nommés"), report.coverage.named),
        "services_unnamed": (N_("Services sans nom"), report.coverage.unnamed),
        "instances_without_equipment": (N_("Machines sans équipement décrit"), ", ".join(report.instances_without_equipment)),
        "energy_components_microjoules": (N_("Énergie des composants (µJ)"), report.totals.energy_components_microjoules),
        "energy_at_wall_microjoules": (N_("dont connue à la prise (µJ)"), report.totals.energy_at_wall_microjoules),
        "seal_name": (N_("Publié sous le nom"), report.seal and report.seal.name),
        "seal_head": (N_("Tête de la chaîne"), report.seal and report.seal.head),
        "method_version": (N_("Version de la méthode"), report.method_version),
        "schema": (N_("Version du schéma des données"), report.schema),
    }
    titles = {key: title for key, (title, _) in said.items()}
    columns = (Column("field", N_("Champ"), words=titles), Column("value", N_("Valeur")))
    return Table(
        "about",
        N_("À propos"),
        columns,
        tuple((key, None if value in (None, "") else str(value)) for key, (_, value) in said.items()),
    )


def _register(report: QuarterlyReport) -> Table:
    def row(entry: ServiceEntry) -> Row:
        return (
            entry.id,
            entry.name,
            entry.status,
            entry.registered,
            entry.measured,
            entry.declared_only,
            entry.audience,
            entry.purpose,
            entry.functional_unit,
            entry.owner_role,
            entry.scope,
            entry.counted_among_generalised,
            entry.stand_in,
            *_cells(entry.energy),
            *_cells(entry.co2e),
            entry.energy_components_microjoules,
            *_energy_cells(entry.idle_microjoules),
            entry.instance_days,
            entry.instance_days_declared,
            entry.covered,
        )

    return Table(
        "register",
        N_("Registre des services"),
        (
            Column("service", N_("Identifiant")),
            Column("name", N_("Service")),
            Column("status", N_("État"), words=wording.SERVICE_STATUSES),
            Column("registered", N_("Au registre"), FLAG),
            Column("measured", N_("Mesuré"), FLAG),
            Column("declared_only", N_("Seulement déclaré"), FLAG),
            Column("audience", N_("Public")),
            Column("purpose", N_("Finalité")),
            Column("functional_unit", N_("Unité fonctionnelle")),
            Column("owner_role", N_("Rôle responsable")),
            Column("scope", N_("Précision du registre")),
            Column("counted_among_generalised", N_("Compté parmi les généralisés"), FLAG),
            Column("stand_in", N_("Démonstration"), FLAG),
            *_quantity("energy", N_("Énergie"), "kWh"),
            *_quantity("co2e_operational", N_("CO₂e d’usage"), "kgCO2e"),
            Column("energy_components_microjoules", N_("Énergie des composants"), INTEGER, "µJ"),
            *_energy("idle", N_("Veille réservée")),
            Column("instance_days", N_("Jours-instance enregistrés"), INTEGER),
            Column("instance_days_declared", N_("Jours-instance déclarés, à ce jour"), NUMBER, "d"),
            Column("covered_share", N_("Part des jours-instance déclarés"), NUMBER, "1"),
        ),
        tuple(map(row, report.register)),
    )


def _results(report: QuarterlyReport) -> Table:
    def row(result: PhaseResult) -> Row:
        return (
            result.service,
            result.phase,
            *_cells(result.measure.energy),
            *_cells(result.measure.co2e),
            result.measure.energy_components_microjoules,
            result.measure.energy_at_wall_microjoules,
            result.measure.precision_class,
            result.measure.boundary,
            result.spans,
            result.cpu_seconds,
            result.duration_seconds,
            result.units,
            result.accepted,
            result.functional_unit,
            *_cells(result.energy_per_unit),
            *(result.runs.get(outcome, 0) for outcome in _OUTCOMES),
            *_energy_cells(result.waste_microjoules),
            result.simulated,
        )

    return Table(
        "results",
        N_("Résultats"),
        (
            _service(report),
            _phase(),
            *_quantity("energy", N_("Énergie"), "kWh"),
            *_quantity("co2e_operational", N_("CO₂e d’usage"), "kgCO2e"),
            Column("energy_components_microjoules", N_("Énergie des composants"), INTEGER, "µJ"),
            Column("energy_at_wall_microjoules", N_("dont connue à la prise"), INTEGER, "µJ"),
            Column("precision_class", N_("Précision"), INTEGER),
            Column("boundary", N_("Bâtiment"), words=_BOUNDARIES),
            Column("spans", N_("Exécutions"), INTEGER),
            Column("cpu_seconds", N_("Temps de processeur"), NUMBER, "s"),
            Column("duration_seconds", N_("Durée"), NUMBER, "s"),
            Column("units", N_("Unités"), NUMBER, unit_column="functional_unit"),
            Column("accepted", N_("Unités acceptées"), NUMBER, unit_column="functional_unit"),
            Column("functional_unit", N_("Unité fonctionnelle")),
            *_quantity("energy_per_unit", N_("Énergie par unité"), "Wh"),
            Column("runs_ok", N_("Runs réussis"), INTEGER),
            Column("runs_failed", N_("Runs en échec"), INTEGER),
            Column("runs_abandoned", N_("Runs abandonnés"), INTEGER),
            *_energy("waste", N_("Énergie perdue")),
            Column("simulated", N_("Simulé"), FLAG),
        ),
        tuple(map(row, report.results)),
    )


def _methods(report: QuarterlyReport) -> Table:
    of_all = [(None, None, report.totals), *((result.service, result.phase, result.measure) for result in report.results)]
    return Table(
        "methods",
        N_("Méthodes"),
        (
            _service(report),
            _phase(),
            Column("component", N_("Composant"), words=wording.COMPONENTS),
            Column("status", N_("Origine de l’énergie"), words=wording.STATUSES),
            Column("method", N_("Méthode"), words=wording.METHODS),
            *_energy("energy", N_("Énergie")),
        ),
        tuple(
            (service, phase, share.component, share.status, share.name, *_energy_cells(share.microjoules))
            for service, phase, measure in of_all
            for share in measure.methods
        ),
    )


def _components(report: QuarterlyReport) -> Table:
    of_all = [(None, None, report.totals), *((result.service, result.phase, result.measure) for result in report.results)]
    return Table(
        "components",
        N_("Composants"),
        (
            _service(report),
            _phase(),
            Column("component", N_("Composant"), words=wording.COMPONENTS),
            *_energy("energy", N_("Énergie")),
        ),
        tuple(
            (service, phase, component, *((None, None) if microjoules is None else _energy_cells(microjoules)))
            for service, phase, measure in of_all
            for component, microjoules in measure.by_component_microjoules.items()
        ),
    )


def _quality(report: QuarterlyReport) -> Table:
    return Table(
        "quality",
        N_("Qualité"),
        (_service(report), _phase(), Column("name", N_("Mesure de qualité")), Column("value", N_("Valeur"), NUMBER)),
        tuple((each.service, each.phase, name, value) for each in report.results for name, value in each.quality.items()),
    )


_FOOTPRINT = (
    ("energy_it", N_("Énergie informatique"), "kWh"),
    ("co2e_operational", N_("CO₂e d’usage"), "kgCO2e"),
    ("co2e_embodied", N_("CO₂e de fabrication"), "kgCO2e"),
    ("co2e_api", N_("CO₂e des modèles externes"), "kgCO2e"),
    ("co2e", N_("CO₂e, ensemble"), "kgCO2e"),
    ("co2e_constant_factor", N_("CO₂e à facteur constant"), "kgCO2e"),
    ("water_direct", N_("Eau directe"), "L"),
    ("water_indirect", N_("Eau indirecte"), "L"),
    ("idle_rate", N_("Part de la veille"), "1"),
    ("waste_rate", N_("Part des exécutions perdues"), "1"),
)


def _footprint(report: QuarterlyReport) -> Table:
    lines = [*((each.service, each.footprint) for each in report.services), (None, report.footprint)]
    return Table(
        "footprint",
        N_("Empreinte par service"),
        (_service(report), *(column for item in _FOOTPRINT for column in _quantity(*item))),
        tuple(
            (service, *(cell for name, _, _ in _FOOTPRINT for cell in _cells(getattr(footprint, name))))
            for service, footprint in lines
        ),
    )


def _intensities(report: QuarterlyReport) -> Table:
    return Table(
        "intensities",
        N_("Intensités par service"),
        (
            _service(report),
            Column("functional_unit", N_("Unité fonctionnelle")),
            Column("serving_units", N_("Unités rendues"), NUMBER, unit_column="functional_unit"),
            *_quantity("serving_energy", N_("Énergie pour servir"), "kWh"),
            *_quantity("serving_co2e_operational", N_("CO₂e d’usage pour servir"), "kgCO2e"),
            *_quantity("serving_co2e_embodied", N_("CO₂e de fabrication pour servir"), "kgCO2e"),
            *_quantity("serving_co2e_api", N_("CO₂e des modèles externes pour servir"), "kgCO2e"),
            *_quantity("sci", N_("SCI par unité"), "gCO2e"),
            *_quantity("sci_training", N_("dont entraînement amorti"), "gCO2e"),
            Column("training_quarter", N_("Trimestre de l’entraînement")),
            *_quantity("training_intensity", N_("Entraînement, par unité"), "gCO2e"),
            Column("accepted", N_("Unités acceptées"), NUMBER, unit_column="functional_unit"),
            Column("accepted_source", N_("Source des unités acceptées")),
            *_quantity("co2e_per_accepted_outcome", N_("Par résultat accepté"), "gCO2e"),
        ),
        tuple(
            (
                each.service,
                each.functional_unit,
                each.serving.units,
                *_cells(each.serving.energy),
                *_cells(each.serving.co2e_operational),
                *_cells(each.serving.co2e_embodied),
                *_cells(each.serving.co2e_api),
                *_cells(each.sci),
                *_cells(each.sci_training),
                each.training_quarter,
                *_cells(each.training_intensity),
                each.accepted,
                each.accepted_source,
                *_cells(each.co2e_per_accepted_outcome),
            )
            for each in report.services
        ),
    )


def _kinds(report: QuarterlyReport) -> Table:
    return Table(
        "energy_by_kind",
        N_("Où va l’énergie"),
        (Column("kind", N_("Part"), words=wording.KINDS), *_energy("energy", N_("Énergie"))),
        tuple((kind, *_energy_cells(number)) for kind, number in report.energy_by_kind_microjoules.items()),
    )


def _shares(report: QuarterlyReport) -> Table:
    return Table(
        "shares",
        N_("Parts de l’énergie et du CO₂e"),
        (
            Column("of", N_("Total"), words={"energy": N_("énergie"), "co2e": N_("CO₂e connu")}),
            Column("by", N_("Réparti par"), words={"status": N_("origine de l’énergie"), "precision": N_("classe de précision")}),
            Column("item", N_("Part"), words=wording.STATUSES),
            Column("share", N_("Part du total"), NUMBER, "1"),
        ),
        (
            *(("energy", "status", status, share) for status, share in report.energy_by_status.items()),
            *(("co2e", "precision", rank, share) for rank, share in report.precision.items()),
        ),
    )


_NO_BUDGET: Row = (None,) * 16


def _budget(state: BudgetState) -> Row:
    return (
        state.year,
        *_cells(state.budget),
        *_cells(state.spent),
        state.consumed.value,
        state.distance.value,
        state.overrun_probability.value,
        *_cells(state.expected),
    )


def _targets(report: QuarterlyReport) -> Table:
    rows: list[Row] = []
    for target in report.targets:
        rows.append(
            (
                target.id,
                target.indicator,
                target.service,
                target.op,
                target.value,
                target.unit,
                target.reduction,
                ", ".join(target.baseline_quarters) or None,
                target.deadline,
                target.horizon,
                target.status,
                target.verdict,
                target.reason,
                *_cells(target.observed),
                target.observed.unit,
                target.decision_body,
                _day(target.decision_date),
                *(_budget(target.budget) if target.budget else _NO_BUDGET),
            )
        )
    return Table(
        "targets",
        N_("Cibles et verdicts"),
        (
            Column("target", N_("Cible")),
            Column("indicator", N_("Indicateur"), words=_INDICATORS),
            _service(report),
            Column("op", N_("Sens")),
            Column("value", N_("Demandé"), NUMBER, unit_column="unit"),
            Column("unit", N_("Unité"), words=_UNITS),
            Column("reduction", N_("Réduction demandée"), NUMBER, "1"),
            Column("baseline_quarters", N_("Trimestres de référence")),
            Column("deadline", N_("Échéance")),
            Column("horizon", N_("Horizon"), INTEGER),
            Column("status", N_("État"), words=wording.TARGET_STATUSES),
            Column("verdict", N_("Verdict"), words=wording.VERDICTS),
            Column("verdict_reason", N_("Motif"), words=_VERDICT_REASONS),
            *_quantity("observed", N_("Constaté"), "", "observed_unit"),
            Column("observed_unit", N_("Unité du constat"), words=_UNITS),
            Column("decision_body", N_("Décidé par")),
            Column("decision_date", N_("Décidé le"), DAY),
            Column("budget_year", N_("Année du budget"), INTEGER),
            *_quantity("budget", N_("Budget"), "", "unit"),
            *_quantity("spent", N_("Employé à ce jour"), "", "unit"),
            Column("consumed_share", N_("Part du budget"), NUMBER, "1"),
            Column("distance", N_("Écart à la trajectoire"), NUMBER, unit_column="unit"),
            Column("overrun_probability", N_("Probabilité de dépassement"), NUMBER, "1"),
            *_quantity("expected", N_("Attendu à la fin de l’année"), "", "unit"),
        ),
        tuple(rows),
    )


def _additions(report: QuarterlyReport) -> Table:
    return Table(
        "baseline_additions",
        N_("Ajouts aux références"),
        (
            Column("target", N_("Cible")),
            _service(report),
            Column("quarter", N_("Trimestre de référence")),
            Column("taken_from", N_("D’après")),
            Column("share_of_days", N_("Part des jours"), NUMBER, "1"),
            *_quantity("added", N_("Ajouté par estimation"), "", "unit"),
            Column("unit", N_("Unité"), words=_UNITS),
        ),
        tuple(
            (target.id, it.service, it.quarter, it.taken_from, it.share, *_cells(it.quantity), target.unit)
            for target in report.targets
            for it in target.additions
        ),
    )


def _trend(report: QuarterlyReport) -> Table:
    return Table(
        "trend",
        N_("Tendance"),
        (
            Column("quarter", N_("Trimestre")),
            *_quantity("energy", N_("Énergie"), "kWh"),
            *_quantity("co2e_operational", N_("CO₂e d’usage"), "kgCO2e"),
            *_quantity("co2e_at_constant_factor", N_("CO₂e d’usage à facteur constant"), "kgCO2e"),
            Column("simulated", N_("Simulé"), FLAG),
        ),
        tuple(
            (
                point.quarter,
                *_cells(point.energy),
                *_cells(point.co2e),
                *_cells(point.co2e_at_constant_factor),
                point.simulated,
            )
            for point in report.trend
        ),
    )


def _changes(report: QuarterlyReport) -> Table:
    def rows(change: QuarterChange) -> Iterable[Row]:
        head = (change.against, change.reference, change.simulated, change.parts)
        if change.total is None:
            yield (*head, None, None, *(None,) * 6, None, None, None, change.reason, None)
            return
        for of_all, lines in ((False, change.services), (True, (change.total,))):
            for line in lines:
                explained = line.explained
                yield (
                    *head,
                    of_all,
                    explained.service,
                    *_made_cells(explained.reference_micrograms),
                    *_made_cells(explained.quarter_micrograms),
                    *_made_cells(explained.micrograms),
                    *_cells(line.relative),
                    explained.absorbed_gain,
                )

    return Table(
        "changes",
        N_("Évolution"),
        (
            *_change_head(),
            Column("simulated", N_("Simulé"), FLAG),
            Column("parts", N_("Origines comptées"), CODES, words=wording.PARTS),
            Column("total", N_("Ensemble"), FLAG),
            _service(report),
            *_made("reference", N_("CO₂e de la référence")),
            *_made("quarter", N_("CO₂e du trimestre")),
            *_made("change", N_("Écart")),
            *_quantity("relative", N_("Écart relatif"), "1"),
            Column("absorbed_gain", N_("Gain unitaire absorbé par le volume"), FLAG),
        ),
        tuple(row for change in report.changes for row in rows(change)),
    )


def _change_head() -> tuple[Column, ...]:
    return Column("against", N_("Par rapport à"), words=_AGAINST), Column("reference_quarter", N_("Trimestre comparé"))


def _change_terms(report: QuarterlyReport) -> Table:
    return Table(
        "change_terms",
        N_("Motifs de l’évolution"),
        (
            *_change_head(),
            Column("total", N_("Ensemble"), FLAG),
            _service(report),
            Column("term", N_("Motif"), words=wording.TERMS),
            *_made("change", N_("Écart")),
        ),
        tuple(
            (change.against, change.reference, of_all, line.explained.service, term, *_made_cells(micrograms))
            for change in report.changes
            if change.total is not None
            for of_all, lines in ((False, change.services), (True, (change.total,)))
            for line in lines
            for term, micrograms in line.explained.terms.items()
        ),
    )


def _inventory(report: QuarterlyReport) -> Table:
    return Table(
        "inventory",
        N_("Bilan par poste (BEGES)"),
        (
            Column("item", N_("Poste du BEGES"), words=wording.INVENTORY_ITEMS),
            Column("part", N_("Partie"), words=_INDICATORS),
            Column("operated", N_("Exploitation"), words=wording.OPERATED),
            Column("ghg_scope", N_("Scope du GHG Protocol"), INTEGER),
            Column("ghg_category", N_("Catégorie du scope 3"), INTEGER),
            *_quantity("co2e", N_("CO₂e"), "kgCO2e"),
            Column("assumptions", N_("Hypothèses"), CODES, words=wording.ASSUMPTIONS),
        ),
        tuple(
            (it.item, it.part, it.operated, it.ghg_scope, it.ghg_category, *_cells(it.co2e), it.assumptions)
            for it in report.inventory
        ),
    )


def _factors(report: QuarterlyReport) -> Table:
    def row(use: str, factor: FactorUsed) -> Row:
        return (
            use,
            factor.zone,
            factor.year,
            factor.value_g_per_kwh,
            factor.least_g_per_kwh,
            factor.greatest_g_per_kwh,
            factor.scope,
            factor.basis,
            factor.same_year,
            factor.filled,
            factor.source,
            factor.licence,
            factor.factor_set,
            factor.release,
            _day(factor.retrieved_on),
        )

    return Table(
        "factors",
        N_("Facteurs d’émission"),
        (
            Column("use", N_("Usage"), words=_FACTOR_USES),
            Column("zone", N_("Zone")),
            Column("year", N_("Année"), INTEGER),
            Column("value_g_per_kwh", N_("Facteur, moyenne sur l’énergie"), NUMBER, "gCO2e/kWh"),
            Column("least_g_per_kwh", N_("Plus petite valeur"), NUMBER, "gCO2e/kWh"),
            Column("greatest_g_per_kwh", N_("Plus grande valeur"), NUMBER, "gCO2e/kWh"),
            Column("scope", N_("Portée"), words=wording.SCOPES),
            Column("basis", N_("Base"), words=wording.BASES),
            Column("same_year", N_("De la même année"), FLAG),
            Column("filled", N_("Trou comblé"), words=wording.FILLS),
            Column("source", N_("Source")),
            Column("licence", N_("Licence")),
            Column("factor_set", N_("Jeu de facteurs d’émission")),
            Column("release", N_("Édition")),
            Column("retrieved_on", N_("Relevé le"), DAY),
        ),
        (
            *(row("current", factor) for factor in report.factors),
            *(row("constant", factor) for factor in report.reference_factors),
        ),
    )


def _factor_gaps(report: QuarterlyReport) -> Table:
    return Table(
        "factor_gaps",
        N_("Trous des facteurs"),
        (
            Column("zone", N_("Zone")),
            Column("filled", N_("Trou comblé"), words=wording.FILLS),
            Column("energy_share", N_("Part de l’énergie"), NUMBER, "1"),
        ),
        tuple((gap.zone, gap.filled or None, gap.share) for gap in report.factor_gaps),
    )


def _contracts(report: QuarterlyReport) -> Table:
    return Table(
        "contracts",
        N_("Contrats d’électricité"),
        (
            Column("supplier", N_("Fournisseur")),
            Column("value_g_per_kwh", N_("Facteur"), NUMBER, "gCO2e/kWh"),
            Column("scope", N_("Portée"), words=wording.SCOPES),
            Column("covered_share", N_("Part couverte"), NUMBER, "1"),
            Column("zone", N_("Zone")),
            Column("instances", N_("Machines"), CODES),
            *_VALIDITY,
            Column("evidence", N_("Preuve")),
        ),
        tuple(
            (
                it.supplier,
                it.gco2e_per_kwh,
                it.scope,
                it.share,
                it.zone,
                it.instances,
                _day(it.from_day),
                _day(it.until_day),
                it.evidence,
            )
            for it in report.contracts
        ),
    )


def _calibrations(report: QuarterlyReport) -> Table:
    return Table(
        "calibrations",
        N_("Étalonnage du site"),
        (
            Column("component", N_("Composant"), words=wording.COMPONENTS),
            Column("wall_factor", N_("Énergie à la prise / énergie du composant"), NUMBER, "kWh/kWh"),
            Column("gsd", N_("Dispersion"), NUMBER),
            Column("instances", N_("Machines"), CODES),
            *_VALIDITY,
            Column("measured_on", N_("Mesuré le"), DAY),
            Column("source", N_("Source")),
        ),
        tuple(
            (
                it.component,
                it.wall_factor,
                it.gsd,
                it.instances,
                _day(it.from_day),
                _day(it.until_day),
                _day(it.measured_on),
                it.source,
            )
            for it in report.calibrations
        ),
    )


def _deviations(report: QuarterlyReport) -> Table:
    return Table(
        "deviations",
        N_("Incertitudes types"),
        (
            Column("error", N_("Source d’erreur"), words=wording.DEVIATIONS),
            Column("gsd", N_("Dispersion"), NUMBER),
            Column("default_gsd", N_("Par défaut"), NUMBER),
            Column("because", N_("Motif")),
        ),
        tuple(
            (it.name, it.gsd, it.default, report.deviations_because if it.gsd != it.default else None) for it in report.deviations
        ),
    )


def _equivalences(report: QuarterlyReport) -> Table:
    return Table(
        "equivalences",
        N_("Équivalences"),
        (
            Column("equivalence", N_("Équivalence"), words=wording.EQUIVALENCES),
            Column("of", N_("Indicateur"), words=_INDICATORS),
            *_quantity("quantity", N_("Quantité"), "", "unit"),
            Column("unit", N_("Unité")),
            Column("kg_per_unit", N_("CO₂e par unité"), NUMBER, "kgCO2e"),
            Column("source", N_("Source")),
            Column("dated", N_("Daté du"), DAY),
        ),
        tuple(
            (it.id, it.of, *_cells(it.quantity), it.quantity.unit, it.kg_per_unit, it.source, _day(it.dated))
            for it in report.equivalences
        ),
    )


def _sites(report: QuarterlyReport) -> Table:
    return Table(
        "sites",
        N_("Sites"),
        (
            Column("site", N_("Identifiant")),
            Column("name", N_("Site")),
            Column("zone", N_("Zone")),
            *_quantity("energy_it", N_("Énergie informatique"), "kWh"),
            *_quantity("energy", N_("Énergie"), "kWh"),
            Column("boundary", N_("Bâtiment"), words=_BOUNDARIES),
        ),
        tuple((it.id, it.name, it.zone, *_cells(it.energy_it), *_cells(it.energy), it.boundary) for it in report.sites),
    )


def _site_figures(report: QuarterlyReport) -> Table:
    return Table(
        "site_figures",
        N_("PUE, WUE, facteurs d’eau"),
        (
            Column("site", N_("Identifiant")),
            Column("kind", N_("Chiffre"), words=wording.FIGURES),
            Column("value", N_("Valeur"), NUMBER, unit_column="unit"),
            Column("unit", N_("Unité")),
            Column("quality", N_("Qualité"), words=wording.QUALITIES),
            *_VALIDITY,
            Column("source", N_("Source")),
            Column("dated", N_("Date de la source"), DAY),
        ),
        tuple(
            (
                it.site,
                it.kind,
                it.value,
                "kWh/kWh" if it.kind == "pue" else "L/kWh",
                it.quality,
                _day(it.from_day),
                _day(it.until_day),
                it.source,
                _day(it.dated),
            )
            for it in report.site_figures
        ),
    )


def _equipment(report: QuarterlyReport) -> Table:
    return Table(
        "equipment",
        N_("Équipements"),
        (
            Column("equipment", N_("Identifiant")),
            Column("name", N_("Équipement")),
            Column("co2e_kg", N_("Fabrication"), NUMBER, "kgCO2e"),
            Column("life_years", N_("Durée de vie"), NUMBER, "a"),
            Column("reserved_share", N_("Part réservée"), NUMBER, "1"),
            Column("instances", N_("Machines"), CODES),
            Column("devices", N_("Appareils"), CODES),
            *_VALIDITY,
            *_made("quarter", N_("Ce trimestre")),
            Column("source", N_("Source")),
            Column("dated", N_("Date de la source"), DAY),
        ),
        tuple(
            (
                it.id,
                it.name,
                it.co2e_kg,
                it.life_years,
                it.reserved_share,
                it.instances,
                it.devices,
                _day(it.from_day),
                _day(it.until_day),
                *_made_cells(it.quarter_micrograms),
                it.source,
                _day(it.dated),
            )
            for it in report.equipment
        ),
    )


def _bearers(report: QuarterlyReport) -> Table:
    return Table(
        "equipment_bearers",
        N_("Fabrication par service"),
        (
            Column("equipment", N_("Équipement"), names={it.id: it.name for it in report.equipment if it.name}),
            _service(report),
            *_made("quarter", N_("Ce trimestre")),
        ),
        tuple(
            (it.id, service or None, *_made_cells(part))
            for it in report.equipment
            for service, part in it.by_service_micrograms.items()
        ),
    )


def _tokens(report: QuarterlyReport) -> Table:
    return Table(
        "tokens",
        N_("Appels à des modèles"),
        (
            _service(report),
            _phase(),
            Column("provider", N_("Fournisseur")),
            Column("model", N_("Modèle")),
            Column("tokens_in", N_("Jetons reçus"), INTEGER),
            Column("tokens_out", N_("Jetons produits"), INTEGER),
            Column("rows", N_("Lignes du registre de mesure"), INTEGER),
            Column("standing", N_("Ce qu’il en est fait"), words=wording.STANDINGS),
            Column("reason", N_("Motif"), words=wording.WHY_UNMEASURED),
            Column("low_kg", N_("CO₂e, hypothèse basse"), NUMBER, "kgCO2e"),
            Column("central_kg", N_("CO₂e, hypothèse centrale"), NUMBER, "kgCO2e"),
            Column("high_kg", N_("CO₂e, hypothèse haute"), NUMBER, "kgCO2e"),
            Column("records", N_("Enregistrements"), INTEGER),
            Column("record_ids", N_("Premiers enregistrements"), CODES),
        ),
        tuple(
            (
                it.service,
                it.phase,
                it.provider,
                it.model,
                it.tokens_in,
                it.tokens_out,
                it.rows,
                it.standing,
                it.reason,
                it.low_kg,
                it.central_kg,
                it.high_kg,
                it.records,
                it.record_ids,
            )
            for it in report.tokens
        ),
    )


def _hypotheses(report: QuarterlyReport) -> Table:
    unit = "kgCO2e/10⁶"
    return Table(
        "model_hypotheses",
        N_("Hypothèses des modèles"),
        (
            Column("provider", N_("Fournisseur")),
            Column("model", N_("Modèle")),
            Column("zone", N_("Zone")),
            Column("total_parameters", N_("Paramètres (milliards)")),
            Column("active_parameters", N_("dont actifs")),
            Column("architecture_published", N_("Architecture publiée"), FLAG),
            Column("low_kg_per_million", N_("Jetons produits, hypothèse basse"), NUMBER, unit),
            Column("central_kg_per_million", N_("Jetons produits, hypothèse centrale"), NUMBER, unit),
            Column("high_kg_per_million", N_("Jetons produits, hypothèse haute"), NUMBER, unit),
            Column("ecologits_version", N_("Version d’EcoLogits")),
        ),
        tuple(
            (
                it.provider,
                it.model,
                it.zone,
                it.total_parameters,
                it.active_parameters,
                it.architecture_published,
                it.low_kg,
                it.central_kg,
                it.high_kg,
                it.ecologits_version,
            )
            for it in report.model_hypotheses
        ),
    )


def _doubles(report: QuarterlyReport) -> Table:
    return Table(
        "doubles",
        N_("Compté deux fois"),
        (
            Column("kind", N_("Objet"), words=wording.DOUBLES),
            Column("what", N_("Appareils"), CODES),
            Column("instance", N_("Machine laissée de côté")),
            Column("services", N_("Services laissés de côté"), CODES),
            *_energy("left_out", N_("Énergie laissée")),
            Column("kept_instance", N_("Machine gardée")),
            Column("kept_services", N_("Services gardés"), CODES),
            *_energy("kept", N_("Énergie gardée")),
            Column("from_utc", N_("Début (UTC)"), MOMENT),
            Column("until_utc", N_("Fin (UTC)"), MOMENT),
            Column("half_hours", N_("Demi-heures"), INTEGER),
            Column("records", N_("Enregistrements"), INTEGER),
            Column("record_ids", N_("Premiers enregistrements"), CODES),
        ),
        tuple(
            (
                it.kind,
                it.what,
                it.instance,
                it.services,
                *_energy_cells(it.microjoules),
                it.kept_instance,
                it.kept_services,
                *_energy_cells(it.kept_microjoules),
                _moment(it.from_utc),
                _moment(it.until_utc),
                it.half_hours,
                it.records,
                it.record_ids,
            )
            for it in report.doubles
        ),
    )


def _lost(report: QuarterlyReport) -> Table:
    def row(cause: str, count: int) -> Row:
        head, _, rest = cause.partition(":")
        return head, rest or None, count

    return Table(
        "lost",
        N_("Pertes comptées"),
        (
            Column("cause", N_("Cause"), words=wording.LOST),
            Column("what", N_("Objet")),
            Column("count", N_("Nombre"), INTEGER),
        ),
        tuple(row(cause, count) for cause, count in report.lost.items()),
    )


def _notices(report: QuarterlyReport) -> Table:
    codes = (*report.notices, *(["simulated"] if report.simulated else []))
    return Table(
        "notices",
        N_("À savoir"),
        (Column("notice", N_("À savoir pour ce trimestre"), words=wording.NOTICES),),
        tuple((code,) for code in codes),
    )


# --- where less would do, and what people added ----------------------------------------------------------------


def _savings(report: QuarterlyReport) -> Table:
    names = {str(commitment.number): commitment.name for commitment in report.commitments}
    return Table(
        "savings",
        N_("Sobriété"),
        (
            Column("kind", N_("Piste"), words=wording.SAVINGS),
            _service(report),
            _phase(),
            *_energy("components", N_("Énergie des composants épargnée")),
            *_quantity("energy", N_("Énergie épargnée"), "kWh"),
            *_quantity("co2e_operational", N_("CO₂e d’usage épargné"), "kgCO2e"),
            Column("role", N_("Qui peut agir")),
            Column("may_harm", N_("Peut nuire à"), CODES, names=names),
            Column("metric", N_("Mesure de qualité")),
            Column("hours_later", N_("Heures plus tard"), INTEGER, "h"),
            Column("runs", N_("Runs"), CODES),
            Column("front", N_("Front"), CODES),
        ),
        tuple(
            (
                it.kind,
                it.service,
                it.phase,
                *_energy_cells(it.microjoules),
                *_cells(it.energy),
                *_cells(it.co2e),
                it.role,
                tuple(map(str, it.may_harm)),
                it.metric,
                it.hours_later,
                it.runs,
                it.front,
            )
            for it in report.savings
        ),
    )


def _unsupported(report: QuarterlyReport) -> Table:
    return Table(
        "unsupported",
        N_("Pistes non listées"),
        (
            Column("kind", N_("Piste"), words=wording.SAVINGS),
            Column("reason", N_("Motif"), words=wording.UNSUPPORTED),
            Column("services", N_("Services"), CODES, names=service_names(report)),
        ),
        tuple((it.kind, it.reason, it.services) for it in report.unsupported),
    )


def _every_run(report: QuarterlyReport) -> tuple[RunUsed, ...]:
    """The costliest and those that are compared, each once."""
    found = (*report.costliest_runs, *(run for frontier in report.frontiers for run in frontier.runs))
    return tuple({(run.service, run.phase, run.run_id): run for run in found}.values())


def _runs(report: QuarterlyReport) -> Table:
    costliest = {(run.service, run.phase, run.run_id) for run in report.costliest_runs}
    return Table(
        "runs",
        N_("Runs"),
        (
            Column("run", N_("Run")),
            _service(report),
            _phase(),
            Column("outcome", N_("Issue"), words=wording.OUTCOMES),
            *_quantity("energy", N_("Énergie"), "kWh"),
            Column("costliest", N_("Parmi les plus coûteux"), FLAG),
        ),
        tuple(
            (
                run.run_id,
                run.service,
                run.phase,
                run.outcome,
                *_cells(run.energy),
                (run.service, run.phase, run.run_id) in costliest,
            )
            for run in _every_run(report)
        ),
    )


def _run_quality(report: QuarterlyReport) -> Table:
    return Table(
        "run_quality",
        N_("Qualité des runs"),
        (
            Column("run", N_("Run")),
            _service(report),
            _phase(),
            Column("name", N_("Mesure de qualité")),
            Column("value", N_("Valeur"), NUMBER),
        ),
        tuple(
            (run.run_id, run.service, run.phase, name, value) for run in _every_run(report) for name, value in run.quality.items()
        ),
    )


def _frontiers(report: QuarterlyReport) -> Table:
    return Table(
        "frontiers",
        N_("Fronts qualité-énergie"),
        (
            _service(report),
            _phase(),
            Column("metric", N_("Mesure de qualité")),
            Column("better", N_("Sens"), words=_BETTER),
            Column("run", N_("Run")),
            *_quantity("energy", N_("Énergie"), "kWh"),
            Column("value", N_("Valeur"), NUMBER),
            Column("on_front", N_("Sur le front"), FLAG),
            Column("left_out", N_("Runs laissés de côté"), INTEGER),
        ),
        tuple(
            (
                it.service,
                it.phase,
                it.metric,
                it.better,
                run.run_id,
                *_cells(run.energy),
                run.quality[it.metric],
                run.run_id in it.front,
                it.left_out,
            )
            for it in report.frontiers
            for run in it.runs
        ),
    )


def _said(report: QuarterlyReport) -> Table:
    return Table(
        "said",
        N_("Comités et commentaires"),
        (
            Column("kind", N_("Nature"), words=wording.SAID),
            Column("id", N_("Identifiant")),
            Column("body", N_("Instance"), names={body.id: body.name for body in report.governance}),
            _service(report),
            Column("about", N_("À propos de"), words=wording.SECTIONS),
            Column("date", N_("Date"), DAY),
            Column("text", N_("Texte")),
        ),
        tuple((it.kind, it.id, it.body, it.service, it.about, _day(it.date), it.text) for it in report.said),
    )


def _actions(report: QuarterlyReport) -> Table:
    return Table(
        "actions",
        N_("Actions"),
        (
            Column("id", N_("Identifiant")),
            Column("text", N_("Action")),
            _service(report),
            Column("role", N_("Rôle")),
            Column("due", N_("Échéance")),
            Column("state", N_("État"), words=wording.ACTION_STATES),
            Column("late", N_("En retard"), FLAG),
            Column("about", N_("Répond à")),
            Column("note", N_("Note")),
        ),
        tuple((it.id, it.text, it.service, it.role, it.due, it.state, it.late, it.about, it.note) for it in report.actions),
    )


def _regions(report: QuarterlyReport) -> Table:
    return Table(
        "regions",
        N_("Régions, selon les unités"),
        (
            Column("region", N_("Région")),
            _service(report),
            Column("units", N_("Unités"), NUMBER, unit_column="functional_unit"),
            Column("functional_unit", N_("Unité fonctionnelle")),
            Column("share", N_("Part des unités"), NUMBER, "1"),
            *_quantity("energy", N_("Énergie répartie"), "kWh"),
            *_quantity("co2e", N_("CO₂e réparti"), "kgCO2e"),
            Column("source", N_("Source")),
        ),
        tuple(
            (it.region, it.service, it.units, unit, it.share, *_cells(it.energy), *_cells(it.co2e), it.source)
            for it in report.regions
            for unit in (next((entry.functional_unit for entry in report.register if entry.id == it.service), None),)
        ),
    )


def _sensitivities(report: QuarterlyReport) -> Table:
    return Table(
        "sensitivities",
        N_("Sensibilité"),
        (
            Column("kind", N_("Ce qui change"), words=wording.SENSITIVITIES),
            Column("name", N_("Nom")),
            Column("indicator", N_("Indicateur"), words=_INDICATORS),
            *_quantity("value", N_("Valeur"), "kgCO2e"),
        ),
        tuple((it.kind, it.name, it.of, *_cells(it.value)) for it in report.sensitivities),
    )


def _evaluations(report: QuarterlyReport) -> Table:
    return Table(
        "evaluations",
        N_("Auto-évaluations"),
        (
            _service(report),
            Column("question", N_("Question"), words=wording.EVALUATION_QUESTIONS),
            Column("answer", N_("Réponse"), words=wording.EVALUATION_ANSWERS),
            Column("quarter", N_("Trimestre")),
            Column("comment", N_("Commentaire")),
            Column("role", N_("Rôle")),
        ),
        tuple((it.service, it.question, it.answer, it.quarter, it.comment, it.role) for it in report.evaluations),
    )


def _restatements(report: QuarterlyReport) -> Table:
    return Table(
        "restatements",
        N_("Retraitements"),
        (
            Column("quarter", N_("Trimestre")),
            Column("total", N_("Ensemble"), FLAG),
            _service(report),
            *_made("published", N_("Publié")),
            *_made("recalculated", N_("Recalculé")),
            *(Column(f"{cause}_micrograms", title, INTEGER, "µgCO2e") for cause, title in wording.CAUSES.items()),
            Column("relative", N_("Écart relatif"), NUMBER, "1"),
            Column("threshold", N_("Seuil"), NUMBER, "1"),
            Column("needed", N_("Au-delà du seuil"), FLAG),
            *_energy("published_energy", N_("Énergie publiée")),
            *_energy("recalculated_energy", N_("Énergie recalculée")),
            Column("parts", N_("Parties"), CODES, words=wording.PARTS),
        ),
        tuple(
            (
                it.quarter,
                line is it.total,
                line.service,
                *_made_cells(line.published_micrograms),
                *_made_cells(line.recalculated_micrograms),
                *(line.causes.get(cause, 0) for cause in wording.CAUSES),
                it.relative if line is it.total else None,
                it.threshold,
                it.needed,
                *(_energy_cells(it.energy_published_microjoules) if line is it.total else (None, None)),
                *(_energy_cells(it.energy_recalculated_microjoules) if line is it.total else (None, None)),
                it.parts,
            )
            for it in report.restatements
            for line in (it.total, *it.services)
        ),
    )


def _published(report: QuarterlyReport) -> Table:
    return Table(
        "published",
        N_("Trimestres publiés"),
        (
            Column("quarter", N_("Trimestre")),
            Column("part", N_("Partie"), words={**_INDICATORS, **wording.PARTS}),
            *_made("published", N_("Publié")),
        ),
        tuple(
            (quarter, part, *_made_cells(micrograms))
            for quarter, parts in report.published_micrograms.items()
            for part, micrograms in parts.items()
        ),
    )


_TABLES: Sequence[Callable[[QuarterlyReport], Table]] = (
    _about,
    _notices,
    _indicators,
    _targets,
    _additions,
    _register,
    _results,
    _footprint,
    _intensities,
    _methods,
    _components,
    _quality,
    _kinds,
    _shares,
    _trend,
    _changes,
    _change_terms,
    _inventory,
    _savings,
    _unsupported,
    _runs,
    _run_quality,
    _frontiers,
    _said,
    _actions,
    _regions,
    _evaluations,
    _sensitivities,
    _restatements,
    _published,
    _factors,
    _factor_gaps,
    _contracts,
    _calibrations,
    _sites,
    _site_figures,
    _equipment,
    _bearers,
    _tokens,
    _hypotheses,
    _doubles,
    _deviations,
    _equivalences,
    _lost,
)
