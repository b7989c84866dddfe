"""Lava's simulation, in a worker process."""
