"""lava-dl's reader, without the packages that only its training needs."""

from __future__ import annotations

import sys
import types

for name in ("slayer", "slayer.neuron", "slayer.neuron.rf"):
    module = types.ModuleType(f"lava.lib.dl.{name}")
    module.neuron_params = None  # of resonate-and-fire neurons, the one thing that the reader takes from slayer
    sys.modules[f"lava.lib.dl.{name}"] = module

from lava.lib.dl.netx.hdf5 import Network  # noqa: E402

__all__ = ["Network"]
