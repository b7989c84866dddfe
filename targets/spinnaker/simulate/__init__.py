"""Cores and routers in SpiNNaker's arithmetic, packet by packet."""
