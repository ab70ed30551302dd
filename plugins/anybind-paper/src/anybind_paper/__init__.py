"""Readers of published data sets for anybind."""
