"""A data set for anybind: OpenMoji pictures with names and keywords in 14 languages."""
