"""Market-based emissions: the share of the electricity that contracts cover, and the emission factor of that share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import TYPE_CHECKING

from ecoia.factors import FactorSet
from ecoia.factors.model import micrograms
from ecoia.impact.energy_cells import PPM

if TYPE_CHECKING:  # importing the catalogue's models costs pydantic
    from ecoia.catalogue import Contract


class MarketFactors:
    """Contracted emission factors.

    Args:
        contracts: Contracts, known by their index from here on.
    """

    def __init__(self, contracts: Sequence[Contract]) -> None:
        self._contracts = contracts
        self._shares_ppm = [round(each.share * PPM) for each in contracts]

    def covering(self, zone: str, instance: str, day: date) -> tuple[int, ...]:
        """Return the indexes of the contracts that cover a part of what an instance uses in a zone on a civil day."""
        return tuple(index for index, each in enumerate(self._contracts) if each.covers(zone, instance, day))

    def terms(self, covering: Iterable[int]) -> tuple[int, int]:
        """Return the contracted emissions and the uncovered share of a use.

        Args:
            covering: Indexes of the contracts that cover a part of it.

        Returns:
            Contracted emissions per kWh of the whole use, in picograms; and the share that no contract covers, in millionths.
        """
        shares_ppm = {index: self._shares_ppm[index] for index in covering}
        contracted = sum(share * micrograms(self._contracts[index].gco2e_per_kwh) for index, share in shares_ppm.items())
        return contracted, max(PPM - sum(shares_ppm.values()), 0)

    def reason(self, used: Sequence[int], factors: FactorSet) -> str | None:
        """Return why there is no market-based figure; None where there is one.

        Args:
            used: Indexes of the contracts that cover a part of the use.
            factors: Emission factors of the grid, which the rest of the use has.

        Returns:
            ``no-contract``: nothing is covered. ``contract-scope``: a contract counts another scope than the grid's factors.
        """
        if not used:
            return "no-contract"
        scopes = {scope for scope, _ in factors.pairs}
        return None if all(self._contracts[index].scope in scopes for index in used) else "contract-scope"
