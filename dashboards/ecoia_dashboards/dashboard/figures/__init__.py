"""Figures of the dashboard that the report does not have, one module a question."""
