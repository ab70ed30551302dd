"""Tar shards in the WebDataset layout for anybind."""
