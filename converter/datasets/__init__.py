"""Data sets: a registry, one file for each, and how their arrays are read."""
