"""The bit widths of Loihi's neurons. Imports nothing: the simulation's processes read them too."""

from __future__ import annotations

INPUT_SHIFT = 6
"""A synaptic unit is 2**6 units of a stock neuron's state."""
DECAY_BITS = 12
"""Decays are multiples of 2**-12."""
STATE_BITS = 24
"""Of the current and of the potential, signed."""
