"""The part of ecoia in the measured thread: ``ecoia.track``, its spans and the counters they write. Imports next to nothing."""
