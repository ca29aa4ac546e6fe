"""Commented files to start a catalogue from."""

from __future__ import annotations

from ecoia.catalogue.calibration import CALIBRATION_FILE
from ecoia.catalogue.charter import CHARTER_FILE
from ecoia.catalogue.committees import COMMITTEES_FILE
from ecoia.catalogue.electricity import CONTRACTS_FILE, FACTORS_FILE
from ecoia.catalogue.equipment import EQUIPMENT_FILE
from ecoia.catalogue.hosted_factors import HOSTED_FACTORS_FILE
from ecoia.catalogue.method import METHOD_FILE
from ecoia.catalogue.register import SERVICES_FILE
from ecoia.catalogue.sites import SITES_FILE
from ecoia.catalogue.targets import TARGETS_FILE


def starter_files() -> dict[str, str]:
    """Return commented files to start a catalogue from, by name. They load as they are, and name no service yet.

    Example:
        >>> "services.yaml" in starter_files()
        True
    """
    return {
        SERVICES_FILE: _STARTER_SERVICES,
        CHARTER_FILE: _STARTER_CHARTER,
        TARGETS_FILE: _STARTER_TARGETS,
        CALIBRATION_FILE: _STARTER_CALIBRATION,
        SITES_FILE: _STARTER_SITES,
        EQUIPMENT_FILE: _STARTER_EQUIPMENT,
        FACTORS_FILE: _STARTER_FACTORS,
        CONTRACTS_FILE: _STARTER_CONTRACTS,
        COMMITTEES_FILE: _STARTER_COMMITTEES,
        METHOD_FILE: _STARTER_METHOD,
        HOSTED_FACTORS_FILE: _STARTER_HOSTED_FACTORS,
    }


_STARTER_SERVICES = """\
# Registre des services d'IA de l'organisation : c'est le dénominateur de la couverture.
# Un service mesuré sans être inscrit ici apparaît dans le rapport comme « non enregistré ».

# Jour auquel le registre est exact (décommenter).
# as_of: 2026-01-01

# Services qui existent sans être nommés ici (en qualification, en test) : ils restent au dénominateur.
unnamed: {count: 0, approximate: false, status: [qualification, poc]}

services: []
# Remplacer « services: [] » par la liste des services. Exemple d'un service :
# services:
#   - id: assistant-redaction           # minuscules, chiffres, « . », « _ », « - » ; ne change plus ensuite
#     name: Assistant de rédaction
#     audience: conseillers
#     purpose: propose un premier jet de réponse
#     status: generalised               # generalised | qualification | poc | retired
#     functional_unit: réponse proposée # ce qu'est un résultat utile : les intensités sont par unité
#     lifetime_units: 2000000           # unités que le modèle rendra avant d'être remplacé : amortit l'entraînement (facultatif)
#     instance_days: 184                # jours où il sert dans un trimestre entier, par instance : 2 instances x 92 jours ;
#                                       # mesuré à partir de 80 % de ces jours (facultatif : sinon, dès qu'il est enregistré,
#                                       # mais aucun plafond n'est alors « tenu ») ; par phase et par instance :
#                                       # {inference: {gpu-01: 92, gpu-03: 92}, training: 11}
#     since: 2025-03-01                 # premier jour où il a existé : il est ajouté, par estimation et en le disant, à une
#                                       # période de référence qui ne l'a pas enregistré (facultatif)
#     scope: national                   # périmètre géographique ou organisationnel (facultatif)
#     owner_role: chef de produit IA    # un rôle, jamais une personne ni une adresse
#     quality: {accuracy: higher}       # higher | lower : dans quel sens une mesure de qualité est meilleure ; alors seuls
#                                       # des runs sont comparés par qualité et énergie (facultatif)
#     succeeds: ancien-assistant        # service remplacé, ou liste des services fusionnés : ils restent inscrits (facultatif)
#     model:                            # taille du modèle et de son entraînement, déclarée par qui l'a fait : le score SCI du
#       parameters_total_billion: 7     # fournisseur est par opération, par jeton ou par milliard de paramètres (facultatif ;
#       training_tokens: 2000000000     # docs/configuration.md)
#     boamps:                           # ce que l'export BoAmps dit de plus (facultatif ; docs/exports.md)
#       task_family: génération de texte
#       algorithms: [{foundation_model: nom-du-modèle, type: llm}]
#       datasets: [{usage: input, type: token}, {usage: output, type: token}]
#       infrastructure: {type: onPremise, components: [{type: gpu, count: 1}]}
#   - {id: ancien-assistant, name: Ancien assistant, status: retired}
"""

_STARTER_CHARTER = """\
# L'organisation, les engagements de sa charte et les instances qui la font vivre.
organisation:
  id: mon-organisation
  name: Mon organisation

charter:
  title: Charte pour une IA éthique
  commitments:
    # « text » reste vide (null) tant que l'organisation n'y a pas collé son propre texte :
    # le rapport le signale, et rien n'est rédigé à sa place.
    - {number: 7, id: impact-environnemental, name: Impact environnemental, text: null}

governance:
  - id: comite-interne
    name: Comité interne
    role: décide des objectifs et suit leur tenue
  - id: comite-externe
    name: Comité externe
    role: recommandations et préconisations
  - id: ligne-ethique
    name: Ligne éthique
    role: répond aux questions sur l'usage des services d'IA
    # contact: adresse d'une boîte partagée, rappelée sur chaque page du rapport
"""

_STARTER_TARGETS = """\
# Objectifs de l'engagement environnemental. « proposed » : proposé. « adopted » : adopté,
# ce qui demande la décision complète (instance, jour, SHA-256 du procès-verbal).

targets: []
# Remplacer « targets: [] » par la liste des objectifs. Exemples :
# targets:
#   - id: couverture                    # un seuil à une échéance
#     indicator: coverage_services
#     op: ">="
#     value: 0.90
#     deadline: 2027Q4
#     status: proposed
#     decision: {body: comite-interne, date: null, minutes_sha256: null}
#   - id: trajectoire                   # une réduction par rapport à des trimestres de référence
#     indicator: co2e_constant_factor
#     baseline: {quarters: [2027Q1, 2027Q2, 2027Q3, 2027Q4], boundary: v1}
#     reduction: 0.35
#     horizon: 2030
#     status: proposed

# Au-delà de cet écart, un trimestre publié est recalculé (les deux chiffres restent côte à côte).
recalculation: {threshold: 0.05}
"""

_STARTER_CALIBRATION = """\
# Étalonnage du site : ce qu'un wattmètre a mesuré à la prise, rapporté à l'énergie que donne le compteur du composant.
# Appliqué au calcul du rapport seulement ; ce qui est enregistré ne change pas. N'écrire ici que des mesures faites.

calibrations: []
# Remplacer « calibrations: [] » par la liste des mesures. Exemple (valeurs à remplacer par celles de la campagne) :
# calibrations:
#   - component: cpu                    # cpu | gpu | ram
#     wall_factor: 1.42                 # énergie à la prise / énergie du composant ; entre 0.8 et 5
#     gsd: 1.05                         # dispersion de cette mesure (facultatif)
#     instances: ["gpu-0*"]             # noms, avec « * » et « ? » (facultatif : toutes)
#     from: 2026-07-01                  # premier jour où elle vaut (facultatif)
#     until: 2027-01-01                 # premier jour où elle ne vaut plus (facultatif)
#     source: "Campagne de mesure, wattmètre X, PV n° 12"
#     date: 2026-06-15                  # jour de la mesure
"""

_STARTER_FACTORS = """\
# Facteurs d'émission de l'électricité : le jeu utilisé, un seul à la fois. « ecoia factors list » donne les jeux connus,
# « ecoia factors import » en ajoute un, « ecoia factors use » écrit ce fichier.

use: default
# scope: lifecycle                    # lifecycle | direct ; à choisir si le jeu contient les deux
# basis: production                   # production | consumption ; de même
# fill: previous                      # previous | mean | annual ; sans cette ligne, un trou n'est pas comblé
"""

_STARTER_CONTRACTS = """\
# Contrats d'électricité : le CO2e « selon les contrats » est montré à côté, jamais à la place ni dans un total.

contracts: []
# Remplacer « contracts: [] » par la liste des contrats. Exemple (valeurs à remplacer par celles du contrat) :
# contracts:
#   - supplier: Fournisseur
#     gco2e_per_kwh: 6                  # de l'électricité du contrat
#     scope: lifecycle                  # celle des facteurs utilisés : lifecycle | direct
#     share: 0.6                        # part de la consommation couverte
#     zone: FRA
#     instances: ["gpu-0*"]             # noms, avec « * » et « ? » (facultatif : toutes)
#     from: 2026-01-01                  # premier jour
#     until: 2027-01-01                 # premier jour où il ne vaut plus
#     evidence: "Garanties d'origine annulées, attestation n° 12"
"""

_STARTER_SITES = """\
# Les bâtiments : quelles machines y sont, et leur PUE, WUE et facteur d'eau, chacun avec sa période, sa source et sa qualité.
# Sans PUE, l'énergie d'un site reste « hors bâtiment » ; sans WUE ni facteur d'eau, l'eau n'est pas calculée.

sites: []
# Remplacer « sites: [] » par la liste des sites. Exemple (valeurs à remplacer par celles du site) :
# sites:
#   - id: centre-1
#     name: Centre de calcul n° 1
#     instances: ["gpu-0*"]             # noms, avec « * » et « ? » ; une machine n'est que dans un site
#     zone: FRA                         # zone électrique (facultatif)
#     operated: own                     # own (par l'organisation) | hosted (par un hébergeur)
#     pue:                              # énergie du bâtiment / énergie informatique ; 1 ou plus
#       - {value: 1.35, quality: declared, from: 2026-01-01, until: 2027-01-01, source: "Contrat X", date: 2026-01-15}
#     wue:                              # litres consommés sur place par kWh informatique
#       - {value: 0.25, quality: measured, source: "Relevé de compteur", date: 2026-01-15}
#     water_factor:                     # litres consommés par kWh d'électricité, en amont
#       - {value: 3.5, quality: default, source: "Étude Y", date: 2026-01-15}
#     # quality : measured (relevé) | declared (annoncé par l'exploitant) | default (valeur générique)
"""

_STARTER_EQUIPMENT = """\
# Les équipements et l'empreinte de leur fabrication : celle du fabricant d'abord, toujours avec sa source et son jour.

equipment: []
# Remplacer « equipment: [] » par la liste des équipements. Exemple (valeurs à remplacer par celles du fabricant) :
# equipment:
#   - id: serveur-1
#     name: Serveur à 8 cartes
#     co2e_kg: 3000                     # fabrication et transport, d'un seul exemplaire, en kgCO2e
#     life_years: 5                     # durée de vie attendue
#     reserved_share: 1                 # part réservée aux services d'IA ; au plus 1
#     instances: ["gpu-01"]             # ce qui tourne dessus, avec « * » et « ? »
#     from: 2026-01-01                  # premier jour d'usage
#     until: 2031-01-01                 # premier jour où il n'est plus utilisé (facultatif)
#     source: "Fiche carbone du fabricant, modèle Z"
#     date: 2025-11-03
"""

_STARTER_COMMITTEES = """\
# Ce que les comités ont recommandé et décidé, ce qui est entrepris, et ce que l'organisation dit à côté des chiffres.
# « ecoia workbook » écrit un classeur qui remplit ce fichier sans l'ouvrir. Des rôles et des instances, jamais une personne.

recommendations: []
# Remplacer « recommendations: [] » par la liste des recommandations. Exemple :
# recommendations:
#   - id: r-2026q4-1
#     quarter: 2026Q4
#     body: comite-externe              # une instance de charter.yaml
#     service: assistant-redaction      # facultatif : sans lui, tous les services
#     text: Comparer un modèle plus petit avant la généralisation.

decisions: []
# decisions:
#   - id: d-2026q4-1
#     quarter: 2026Q4
#     body: comite-interne
#     date: 2026-12-10                  # facultatif
#     answers: r-2026q4-1               # recommandation à laquelle elle répond (facultatif)
#     text: La comparaison est faite avant le prochain comité.
#     minutes_sha256: null              # SHA-256 du procès-verbal (facultatif)

actions: []
# actions:
#   - id: a-2026q4-1
#     quarter: 2026Q4                   # trimestre où elle est ouverte
#     text: Mesurer deux modèles sur le même jeu d'essai
#     role: chef de produit IA          # qui la porte : un rôle
#     due: 2027Q1
#     answers: d-2026q4-1               # recommandation ou décision (facultatif)
#     state: planned                    # planned | under-way | done | dropped
#     closed: null                      # trimestre où elle est faite ou abandonnée

comments: []
# comments:
#   - {quarter: 2026Q4, section: evolution, text: La hausse vient d'un réentraînement prévu.}

ties: []
# ties:
#   - {quarter: 2026Q4, commitment: 3, text: Le modèle réduit a été vérifié sans perte d'équité.}
"""

_STARTER_HOSTED_FACTORS = """\
# Modèles externes : ce que prend un appel, selon le fournisseur ou une analyse publiée. Passe avant l'estimation d'EcoLogits.

hosted_factors: []
# Remplacer « hosted_factors: [] » par la liste des facteurs. Exemple (valeurs à remplacer par celles de la source) :
# hosted_factors:
#   - provider: mistralai               # comme dans span.tokens
#     model: mistral-large-2512         # nom exact
#     g_per_request: 0                  # gCO2e par appel, bâtiment et fabrication des serveurs compris
#     g_per_token_out: 0.00285          # gCO2e par jeton produit
#     g_per_token_in: 0                 # gCO2e par jeton reçu
#     l_per_token_out: 0.0001125        # litres d'eau par jeton produit (facultatif ; aussi l_per_request, l_per_token_in)
#     low: 0.5                          # bornes, en proportion de ces valeurs (facultatif)
#     high: 2
#     source: "Analyse de cycle de vie du fournisseur, juillet 2025"
#     date: 2025-07-22
"""

_STARTER_METHOD = """\
# Incertitudes types : dispersion (écart-type géométrique) de chaque source d'erreur, là où l'organisation en retient une
# autre que celle de la méthode. Le rapport liste toutes celles qui valent, et celles qui sont changées avec leur motif.

gsd: {}
# Remplacer « gsd: {} » par les seules valeurs changées, de 1 à 10, et dire pourquoi. Exemple :
# gsd:
#   counters: 1.2                       # compteurs du matériel non étalonnés ; par défaut 1.25
# because: "Campagne de mesure du site, PV n° 12, 15 juin 2026"
"""
