"""Figures for the person who runs a program: one line where a run ends, a card in a notebook."""
