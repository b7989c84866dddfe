"""From a float graph to chains of linear operators between populations: one rewrite a file, listed in `pipeline`."""
