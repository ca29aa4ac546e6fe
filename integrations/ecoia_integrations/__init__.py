"""Measure host frameworks: one module for each, written against ``ecoia.integrating``; ``endpoints`` is what servers share."""
