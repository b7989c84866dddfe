"""Slices of populations, and when each of them works."""
