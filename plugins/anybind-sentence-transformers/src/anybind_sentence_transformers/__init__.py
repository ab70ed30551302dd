"""Text encoders for anybind from sentence-transformers."""
