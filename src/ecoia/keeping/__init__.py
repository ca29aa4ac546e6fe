"""Local disk: the journal, the destinations of its records, the helper that delivers them, and live totals."""
