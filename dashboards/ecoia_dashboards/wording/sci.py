"""Name what a provider's score of SCI for AI is per."""

from __future__ import annotations

from ecoia_dashboards.wording.marking import N_

PROVIDER_UNITS = {
    "flop": N_("10¹⁵ opérations d’entraînement"),
    "training-token": N_("millier de jetons d’entraînement"),
    "parameter": N_("milliard de paramètres"),
}
"""What a score is per, by the unit that the register declares (``catalogue.PROVIDER_UNITS``)."""

PROVIDER_VALUES = {"gross": N_("valeur brute"), "effective": N_("valeur effective")}
"""Whether the declared number is of all, or of what was of use (``catalogue.ProviderUnit.values``)."""
