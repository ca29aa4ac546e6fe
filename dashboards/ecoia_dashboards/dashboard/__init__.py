"""The dashboard: pages that a browser opens, on the figures that ``ecoia.exploring`` keeps.

Everything that a page shows is decided by its address (``address``). A page (``page``) reads plain data, which is also the answer
of the API, then says it in words, tables and drawings. Nothing is aggregated in a request, and nothing is written.
"""
