"""Rows that lie in files are summed up there, by an engine: pandas in batches, DuckDB, or Spark. All give the same integers.

``plan`` says in narwhals what is summed, once for all engines; ``moments`` writes the answers of the rules (which factor, PUE,
calibration and contracts hold when) as small tables that rows are joined with, so no rule is written in another language;
``suspects`` finds rows that may be counted twice; ``engine_rows`` puts it together. One module runs each engine.
"""
