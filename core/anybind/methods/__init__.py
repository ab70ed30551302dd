"""Binder methods, one file per method; each is registered through the hook."""
