"""The organisation's own statements: services, charter, targets, electricity, sites, equipment. Read from a folder of files.

| file | content |
|---|---|
| ``services.yaml`` | the register: the denominator of coverage |
| ``charter.yaml`` | the commitments, and the bodies that keep them alive |
| ``targets.yaml`` | what was promised |
| ``calibration.yaml`` | what was measured at the wall |
| ``host-models.yaml`` | what hosts draw by their load, as measured at the wall |
| ``crosschecks.yaml`` | results of holding records against power at the wall |
| ``factors.yaml`` | which emission factors are in use |
| ``contracts.yaml`` | contracted electricity |
| ``sites.yaml`` | the buildings |
| ``equipment.yaml`` | machines and devices that the services run on |
| ``outcomes.csv`` | how many results of the services were accepted |
| ``regions.csv`` | where their units were delivered |
| ``committees.yaml`` | recommendations, decisions, actions and comments |
| ``evaluations.yaml`` | answers of project managers to the self-assessment |
| ``method.yaml`` | uncertainties that the organisation chose itself |
| ``equivalences.yaml`` | what CO2e is compared with |
| ``hosted_factors.yaml`` | what calls to hosted models take, as their providers say |

Each may be absent. A mistake is reported with file, line, field and remedy, and all mistakes of the folder at once.

Names load when first asked for: the models need pydantic, and a caller of ``error_widths`` alone does without it.

Example:
    >>> from ecoia import catalogue
    >>> catalogue.load(None).services
    ()
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ecoia.catalogue.api import *  # noqa: F403 - every name of it is public


def __getattr__(name: str) -> Any:
    api = import_module("ecoia.catalogue.api")
    if name in api.__all__:
        return getattr(api, name)
    if name in globals():
        return globals()[name]  # a module of this folder, which importing ``api`` has loaded
    raise AttributeError(f"module 'ecoia.catalogue' has no attribute '{name}'")
