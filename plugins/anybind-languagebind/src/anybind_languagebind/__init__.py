"""The towers of LanguageBind for anybind, each loaded on its own."""
