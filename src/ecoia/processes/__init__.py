"""Which process used which CPU time, and which process records it, so that every second counts once."""
