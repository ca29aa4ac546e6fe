"""A quarter frozen, sealed and chained; the ledger as tables for other tools."""
