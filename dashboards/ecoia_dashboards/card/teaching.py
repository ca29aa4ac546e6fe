"""What a card says where figures are missing: why, and what to do."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ecoia.exploring import State
from ecoia.exploring.places import JOURNAL, LEDGER
from ecoia.periods import Quarter
from ecoia_dashboards.card.content import Content, Step
from ecoia_dashboards.cleaning import clean
from ecoia_dashboards.dashboard.failures import nearest
from ecoia_dashboards.dashboard.frame import HINTS
from ecoia_dashboards.dashboard.page import NotFoundError, Reading
from ecoia_dashboards.dashboard.view import View
from ecoia_dashboards.language import Language

_MOST_KNOWN = 60
_LONGEST_NAME = 100


@dataclass(frozen=True)
class Asked:
    """What was asked for.

    Attributes:
        service: Id of a service; None: the organisation.
        quarter: The quarter; None: the latest.
        source: Where rows are read from.
        lang: Language.
        dashboard_url: Address of the dashboard; empty: not known.
        trouble: Why figures could not be brought up to date.
    """

    service: str | None
    quarter: Quarter | None
    source: str
    lang: str
    dashboard_url: str
    trouble: str

    def notices(self, language: Language) -> tuple[str, ...]:
        """Say why figures could not be brought up to date; nothing where they could."""
        if not self.trouble:
            return ()
        return (language.t("Les chiffres n’ont pas pu être mis à jour : %(why)s", why=clean(self.trouble)),)

    def call(self, **changes: object) -> str:
        """Write the call that asks for the same with some changes.

        Example:
            >>> Asked("cv", None, "journal", "fr", "", "").call(refresh=True)
            "ecoia.show('cv', source='journal', refresh=True)"
        """
        given: dict[str, object] = {"service": self.service, "quarter": None if self.quarter is None else str(self.quarter)}
        given |= {"source": self.source, "lang": self.lang, "refresh": False} | changes
        words = [] if given["service"] is None else [repr(given["service"])]
        if given["quarter"] is not None:
            words.append(repr(given["quarter"]) if words else f"quarter={given['quarter']!r}")
        usual = {"source": LEDGER, "lang": "fr", "refresh": False}
        words += [f"{name}={given[name]!r}" for name, value in usual.items() if given[name] != value]
        return f"ecoia.show({', '.join(words)})"


def up_to_date(view: View, asked: Asked) -> str:
    """Say what the figures are of, and how to compute them again."""
    language, state = view.language, view.state
    filled = language.moment(state.filled_utc or "", state.timezone)
    said = language.t("calculé le %(moment)s ; pour recalculer : %(call)s", moment=filled, call=asked.call(refresh=True))
    return f"{view.stamp} · {said}"


def nothing_read(asked: Asked, language: Language) -> Content:
    """Say why nothing could be read."""
    return Content(language.t("Aucun chiffre ne peut être lu : %(why)s", why=clean(asked.trouble)))


def nothing_there(state: State, asked: Asked, language: Language) -> Content:
    """Say why there are no figures at all: they cannot be computed, they are being computed, or nothing was measured."""
    if asked.trouble:
        return nothing_read(asked, language)
    if state.filled_utc is None:
        again = Step(language.t("Un autre programme les calcule. Dans un moment :"), asked.call())
        return Content(language.t("Les premiers chiffres sont en cours de calcul."), steps=(again,))
    steps = [
        Step(
            language.t("Mesurez un programme, sans le changer :"),
            "ecoia run --service mon-service --phase training -- python entrainement.py",
        ),
        Step(language.t("Vérifiez ce que cette machine sait mesurer :"), "ecoia doctor"),
    ]
    if asked.source == LEDGER:
        steps.append(Step(language.t("Envoyez les mesures à MLflow :"), "ecoia deliver"))
        steps.append(Step(language.t("Ou montrez ici celles de cette machine :"), asked.call(source=JOURNAL)))
    notices = tuple(language.of(HINTS, hint) for hint in state.hints)
    return Content(language.t("Rien n’a encore été mesuré."), over=clean(state.organisation), notices=notices, steps=tuple(steps))


def unknown_quarter(reading: Reading, asked: Asked, language: Language) -> Content:
    """Say that a quarter has no data, and which ones have."""
    quarters = tuple(reversed(reading.state.quarters))
    known = language.listed(language.quarter(each) for each in quarters)
    period = language.quarter(str(asked.quarter))
    return Content(
        language.t("Il n’y a pas de données pour cette période : %(period)s.", period=period),
        over=clean(reading.state.organisation),
        lead=language.t("Trimestres avec des données : %(quarters)s.", quarters=known),
        notices=asked.notices(language),
        steps=(
            Step(language.t("Le dernier trimestre avec des données :"), asked.call(quarter=quarters[0])),
            Step(language.t("Si des mesures sont arrivées depuis :"), asked.call(refresh=True)),
        ),
    )


def unknown_service(error: NotFoundError, reading: Reading, asked: Asked, language: Language) -> Content:
    """Say that there is no such service, and which ones there are."""
    name = clean(error.name)[:_LONGEST_NAME]
    near = nearest(error.name, error.known)
    steps = [Step(language.t("Vouliez-vous dire :"), asked.call(service=each)) for each in near[:1]]
    steps.append(Step(language.t("Tous les services :"), replace(asked, service=None).call()))
    if asked.quarter is None:
        steps.append(
            Step(language.t("Si des mesures sont arrivées depuis :"), clean(asked.call(refresh=True))[: 2 * _LONGEST_NAME])
        )
    known = language.t("Ce qui existe : %(names)s.", names=language.listed(error.known[:_MOST_KNOWN])) if error.known else ""
    return Content(
        language.t("Rien ne porte le nom « %(name)s » ici.", name=name),
        over=clean(reading.state.organisation),
        lead=known,
        notices=asked.notices(language),
        steps=tuple(steps),
    )
