"""Figures as people read them: the unit, the digits, and the line of a run."""
