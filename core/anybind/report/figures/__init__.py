"""Figures of a report: one file each, small pure functions from plain values to HTML and inline SVG."""
