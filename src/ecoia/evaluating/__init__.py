"""Judging a service: the gate of a pipeline, a year of general use, the dossier for the committees."""
