"""The background thread: counters and meters are read, energy is shared out, records are written to the journal."""
