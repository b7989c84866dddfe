"""From a float graph to chains of linear operators between populations."""
