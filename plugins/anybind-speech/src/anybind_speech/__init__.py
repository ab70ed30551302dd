"""A data set for anybind: the English names of emoji as spoken clips, beside pictures and texts."""
