"""A host whose power at the wall follows its load: its recorded load, and the series of its management controller."""

from __future__ import annotations

import random
from pathlib import Path

BEGIN = 1_790_000_000
CPU_MODEL = "AMD EPYC 7763 64-Core Processor"
_HEADER = "start,end,seconds,busy_threads,gpu_watts,instance,threads,gib,cpu_model"


class SyntheticHost:
    """A host of 64 threads: 120 W at rest and 2.4 W for each busy thread, read every 10 s with a noise of 3 %, late by 60 s.

    Args:
        seed: Seed of loads and noise.
        minutes: Length.
        most_load: Greatest load; the least is 0.
        gpu_factor: Watts at the wall for each watt of its cards; None: it has none.
    """

    def __init__(
        self,
        seed: int = 1,
        *,
        minutes: int = 400,
        most_load: float = 1.0,
        idle_w: float = 120.0,
        busy_w: float = 2.4,
        lag: int = 60,
        noise: float = 0.03,
        gpu_factor: float | None = None,
    ) -> None:
        chance = random.Random(seed)
        self.busy = [64 * most_load * chance.random() for _ in range(minutes)]
        self.gpu = [400 * chance.random() if gpu_factor is not None else None for _ in range(minutes)]
        self.instance = "node-01"
        self.lines = [
            f"{BEGIN + 60 * i}.000,{BEGIN + 60 * i + 60}.000,60.000,{busy:.4f},{'' if gpu is None else f'{gpu:.2f}'},"
            f"node-01,64,256.0,{CPU_MODEL}"
            for i, (busy, gpu) in enumerate(zip(self.busy, self.gpu, strict=True))
        ]
        self.samples: list[tuple[int, float]] = []
        for second in range(0, 60 * minutes + lag + 300, 10):
            at = min(max((second - lag) // 60, 0), minutes - 1)
            watts = idle_w + busy_w * self.busy[at] + (gpu_factor or 0.0) * (self.gpu[at] or 0.0)
            self.samples.append((BEGIN + second, round(watts * chance.gauss(1.0, noise), 3)))

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write the series and the load; return their files."""
        bmc, load = folder / "bmc.csv", folder / "load.csv"
        bmc.write_text("time,watts\n" + "".join(f"{at},{watts}\n" for at, watts in self.samples), encoding="utf-8")
        load.write_text("\n".join([_HEADER, *self.lines]) + "\n", encoding="utf-8")
        return bmc, load
