"""Builders, servers and programs that several tests use."""
