"""Replays web server access logs into a Matomo server as bulk tracking requests."""

__version__ = "0.1.0"
