"""Clocks and energy counters at the process's first span, so that the time until the meters are found is measured, too."""

from __future__ import annotations

import os
from time import perf_counter_ns, process_time_ns, time_ns

from ecoia.light import Any


class StartReadings:
    """Readings at the moment it is made. Costs the measured thread a few reads of files.

    Attributes:
        utc_ns: Wall clock, in nanoseconds since 1970.
        wall_ns: Monotonic clock (``perf_counter_ns``).
        process_cpu_ns: CPU time of the process.
        stat_line: First line of ``/proc/stat``; empty where there is none.
        counters: Microjoules by counter file of Linux's powercap, and by UUID of each NVIDIA GPU once ``read_gpus`` ran.

    Example:
        >>> StartReadings().process_cpu_ns > 0
        True
    """

    __slots__ = ("_nvml", "counters", "process_cpu_ns", "stat_line", "utc_ns", "wall_ns")

    def __init__(self) -> None:
        self.utc_ns = time_ns()
        self.wall_ns = perf_counter_ns()
        self.process_cpu_ns = process_time_ns()
        self.stat_line = b""
        self.counters: dict[str, int] = {}
        self._nvml: Any = None
        try:
            with open("/proc/stat", "rb") as file:
                self.stat_line = file.readline()
        except OSError:
            return
        folder = "/sys/class/powercap"
        try:
            zones = os.listdir(folder)
        except OSError:
            return  # no counters on this machine
        for zone in zones:
            path = os.path.realpath(f"{folder}/{zone}/energy_uj")
            try:
                with open(path, "rb") as file:
                    self.counters[path] = int(file.read())
            except (OSError, ValueError):
                continue

    def read_gpus(self) -> None:
        """Read the energy counters of NVIDIA GPUs. Call it in the background thread: the driver can be slow.

        Uses ctypes alone, because the bindings and the meters take seconds to load beside a busy interpreter. NVML stays
        initialised until ``close_nvml``, because closing and reopening it can take a second.
        """
        from ecoia.meters import nvidia_driver

        if not nvidia_driver.in_sight():
            return
        try:
            import ctypes

            nvml = ctypes.CDLL(nvidia_driver.LIBRARY)
            if nvml.nvmlInit_v2() != 0:
                return
            self._nvml = nvml
            count = ctypes.c_uint()
            nvml.nvmlDeviceGetCount_v2(ctypes.byref(count))
            for index in range(count.value):
                device, uuid, millijoules = ctypes.c_void_p(), ctypes.create_string_buffer(96), ctypes.c_ulonglong()
                if (
                    nvml.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(device)) == 0
                    and nvml.nvmlDeviceGetUUID(device, uuid, 96) == 0
                    and nvml.nvmlDeviceGetTotalEnergyConsumption(device, ctypes.byref(millijoules)) == 0
                ):
                    self.counters[uuid.value.decode("ascii")] = millijoules.value * 1000
        except (ImportError, OSError, AttributeError, UnicodeError):  # no ctypes, no driver, or an older driver
            return

    def close_nvml(self) -> None:
        """Release our handle on NVML. Call it once the meters are found: they hold their own."""
        nvml, self._nvml = self._nvml, None
        if nvml is not None:
            nvml.nvmlShutdown()
