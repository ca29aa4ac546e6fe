"""From energy to environmental impact, in one direction.

1. ``doublecounting`` refuses what would be counted twice; ``ledger_sums`` sums rows up by bearer.
2. ``assessment`` puts energy into ``energy_cells`` by the ``conditions`` of its half-hours (``grid``, ``market``, ``sites``),
   under given ``parameters``. ``uncertainty`` turns sums of cells into intervals.
3. ``embodied`` and ``hosted`` add making of equipment and models that others host; ``period_impact`` has all of a period.
4. ``change``, ``trajectory`` and ``recalculation`` compare quarters; ``inputs`` keeps everything that figures depend on.
"""
