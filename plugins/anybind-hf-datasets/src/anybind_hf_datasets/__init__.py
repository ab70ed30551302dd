"""Hugging Face data sets for anybind."""
