"""Freezing, sealing and verifying quarters; the ledger as tables for other tools."""
