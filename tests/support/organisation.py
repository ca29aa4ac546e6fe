"""A made-up organisation: its register, charter, targets, committees, evaluations and regions."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from ecoia import catalogue

SERVICES = """\
as_of: 2022-05-10
unnamed: {count: 20, approximate: true, status: [qualification, poc]}
services:
  - {id: gestion-contacts-mails, name: Gestion des contacts via mails A1, status: generalised, functional_unit: mail traité}
  - {id: recommandations-personnalisees, name: Recommandations personnalisées, audience: demandeurs-d-emploi, status: generalised}
  - {id: analyse-cv, name: Analyse automatique de CV, status: generalised, functional_unit: CV analysé, stand_in: true}
  - id: acces-information
    name: "<script>alert('nom')</script> & Accès"
    purpose: '"><img src=x onerror=alert(1)>'
    status: generalised
  - {id: prediction-pourvoi-30j, name: Prédiction de pourvoi à 30 jours, status: generalised, owner_role: chef de produit IA}
  - {id: controle-legalite-offres, name: Contrôle automatique de légalité d'une offre, status: generalised}
  - id: vadore
    name: VADORE
    audience: recruteurs
    status: qualification
    counted_among_generalised: true
    functional_unit: rapprochement proposé
    stand_in: true
  - {id: smart-emploi, name: Smart emploi / Data emploi, status: generalised, functional_unit: indicateur publié, stand_in: true}
"""

CHARTER = """\
organisation: {id: mon-organisation, name: Mon organisation}
charter:
  title: Charte pour une IA éthique
  commitments:
    - {number: 1, id: finalite-legitimite, name: Finalité et légitimité des algorithmes}
    - {number: 7, id: impact-environnemental, name: Impact environnemental, text: null}
governance:
  - {id: comite-interne, name: Comité interne, role: décide des objectifs}
  - {id: ligne-ethique, name: Ligne éthique, role: répond aux questions, contact: ethique@organisation.example}
"""

TARGETS = f"""\
targets:
  - {{id: couverture, indicator: coverage_services, op: ">=", value: 0.90, deadline: 2027Q4}}
  - id: premier-palier
    indicator: coverage_services
    op: ">="
    value: 0.10
    deadline: 2026Q4
    status: adopted
    decision: {{body: comite-interne, date: 2026-09-01, minutes_sha256: "{"0" * 64}"}}
  - {{id: plafond, indicator: energy_components, op: "<=", value: 20, deadline: 2026Q4}}
  - id: trajectoire
    indicator: co2e_constant_factor
    baseline: {{quarters: [2027Q1, 2027Q2, 2027Q3, 2027Q4], boundary: v1}}
    reduction: 0.35
    horizon: 2030
"""


def write_catalogue(folder: Path, **texts: str) -> catalogue.Catalogue:
    """Write catalogue files (``services=...``) into a folder and load it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return catalogue.load(folder)


def sample_catalogue(folder: Path) -> catalogue.Catalogue:
    """Write a register of 8 services and 20 unnamed ones, a charter and four targets. One service has a hostile name."""
    return write_catalogue(folder, services=SERVICES, charter=CHARTER, targets=TARGETS)


COMMITMENTS = (
    ("finalite-legitimite", "Finalité et légitimité des algorithmes"),
    ("humain-au-centre", "L’humain au centre"),
    ("equite-non-discrimination", "Equité et non discrimination"),
    ("liberte-de-choix", "Liberté de choix"),
    ("transparence", "Transparence"),
    ("securite", "Sécurité"),
    ("impact-environnemental", "Impact environnemental"),
)

COMMITTEES = (
    """\
recommendations:
  - {id: r-1, quarter: 2026Q4, body: comite-interne, service: vadore, text: Comparer un modèle plus petit.}
decisions:
  - {id: d-1, quarter: 2026Q4, body: comite-interne, date: 2026-12-10, answers: r-1, text: Comparaison au trimestre suivant.}
actions:
  - {id: a-1, quarter: 2026Q2, text: Arrêter les machines la nuit, role: exploitant, due: 2026Q3, note: Un devis est attendu.}
  - {id: a-2, quarter: 2026Q4, text: Mesurer deux modèles, role: chef de produit IA, due: 2027Q1, service: vadore, answers: d-1}
comments:
"""
    + "".join(
        f"  - {{quarter: 2026Q4, section: {section}, text: Commentaire de la partie {section}.}}\n"
        for section in get_args(catalogue.committees.Section)
    )
    + """\
ties:
  - {quarter: 2026Q4, commitment: 3, service: vadore, text: Le modèle réduit a été vérifié sans perte d'équité.}
  - {quarter: 2026Q4, commitment: 7, text: L'engagement n° 7 lui-même est concerné.}
"""
)

EVALUATIONS = """\
answers:
  - {service: vadore, quarter: 2026Q4, question: sans-ia, answer: met, comment: Règle essayée., role: chef de produit IA}
  - {service: vadore, quarter: 2026Q3, question: plafond, answer: open}
  - {service: smart-emploi, quarter: 2026Q4, question: sans-ia, answer: unmet}
"""

REGIONS = """\
region,service,quarter,units,source
Bretagne,vadore,2026Q4,1200,tableau de suivi
Île-de-France,vadore,2026Q4,3600,tableau de suivi
Bretagne,smart-emploi,2026Q4,20,tableau de suivi
"""
