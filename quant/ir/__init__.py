"""The integer network, and what is proved about it."""
