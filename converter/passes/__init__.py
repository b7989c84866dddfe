"""Rewrites of a float graph, one per file, graph to graph."""
