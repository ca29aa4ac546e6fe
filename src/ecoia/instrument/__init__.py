"""The measured thread: ``ecoia.track``, its spans, and the counters that they write. Imports next to nothing."""
