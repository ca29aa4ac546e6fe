"""Find the parts of a figure that no energy of the selection gives: uses of hosted models, making of equipment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecoia.exploring.lines import HostedUse, MakingPart
from ecoia.exploring.selection import Selection
from ecoia.impact.period_impact import hosted_co2e
from ecoia.report import Quantity
from ecoia.report.quantities import quantity, ranged

if TYPE_CHECKING:
    from ecoia.exploring.data import Data


def hosted(data: Data, selection: Selection) -> list[HostedUse]:
    """List the uses of hosted models, sorted by service, phase, provider and model."""
    found = []
    for use in data.gathered(selection).token_uses():
        estimate = None if use.hypotheses is None else hosted_co2e([use], data.parameters.gsd)
        co2e = Quantity(None, "kgCO2e", reason="no-calls" if use.reason is None else "calls-unmeasured")
        if estimate is not None:
            co2e = quantity(estimate.value, "kgCO2e", estimate.interval, None)
        counts, known = use.counts, use.hypotheses
        found.append(
            HostedUse(
                use.provider,
                use.model,
                use.bearer[0] or "",
                use.bearer[1],
                counts.tokens_in,
                counts.tokens_out,
                counts.rows,
                co2e,
                use.standing,
                use.reason,
                None if known is None else known.central_kg,
                None if known is None else known.request_central_kg,
                None if known is None else known.input_central_kg,
                counts.requests,
                counts.uncounted_out,
                counts.cached_in,
                counts.cached_untold_in,
                counts.reasoning,
                counts.reasoning_untold_out,
                use.is_lower_bound,
                use.making_kg,
                ranged(use.kwh, "kWh", co2e.reason),
                ranged(use.litres, "L", co2e.reason),
                use.input_factor,
            )
        )
    return found


def making(data: Data, selection: Selection) -> list[MakingPart]:
    """List what the selection bears of each piece of equipment, largest first; nothing where it is not known of such a part."""
    gathered = data.gathered(selection)
    if not gathered.splits_making:
        return []
    wholes: dict[str, int] = {}
    for file, _ in data.files_of(selection):
        for equipment, micrograms in file.query("SELECT equipment, sum(micrograms) FROM shares GROUP BY 1"):
            wholes[equipment] = wholes.get(equipment, 0) + micrograms
    borne: dict[str, int] = {}
    for share in gathered.shares:
        borne[share.equipment] = borne.get(share.equipment, 0) + share.micrograms
    parts = [MakingPart(equipment, wholes[equipment], micrograms) for equipment, micrograms in borne.items() if micrograms]
    return sorted(parts, key=lambda each: (-each.micrograms, each.equipment))
