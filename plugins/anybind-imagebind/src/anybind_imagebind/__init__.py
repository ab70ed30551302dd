"""ImageBind for anybind: six modalities in one space, one tower at a time."""
