"""Wording that options of several methods share."""

AUTO = 'a number, or "auto" to choose it on held-out rows of the data sets that exist'
