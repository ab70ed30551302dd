"""Sound and speech encoders for anybind: Google's speech embedding, and statistics of mel energies."""
