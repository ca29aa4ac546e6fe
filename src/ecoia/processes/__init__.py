"""CPU time of families of processes, and which process records it, so that every nanosecond is recorded once.

``proc`` reads the kernel's accounts, ``notices`` is how measuring processes find each other, ``families`` does the arithmetic.
"""
