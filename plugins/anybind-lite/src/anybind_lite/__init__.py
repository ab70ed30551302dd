"""Small encoders for anybind whose weights come inside registry packages."""
