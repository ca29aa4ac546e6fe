"""Pieces that several pages share: the list of services, targets, what to look at, the line that would measure a service."""
