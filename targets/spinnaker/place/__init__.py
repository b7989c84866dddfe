"""Cores, keys, routes, tables and memory of a machine."""
