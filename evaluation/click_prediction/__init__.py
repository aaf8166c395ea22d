"""Metrics of click predictions, with their `evaluate` module."""
