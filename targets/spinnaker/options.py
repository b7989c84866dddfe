"""What a user may choose of the target spinnaker."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inflor.targets.api import option

if TYPE_CHECKING:
    from inflor.targets.spinnaker.place.machine import Dead


@dataclass(frozen=True, kw_only=True)
class SpinnakerOptions:
    """How a network is placed on a SpiNNaker machine and run.

    Attributes:
        chip: whose limits hold.
        neurons: "custom" (programs of our own, exact), or "stock" (sPyNNaker's, hard reset only, and as exact as they
            are).
        neurons_per_core, cores_per_chip: at most; None for as many as the chip allows.
        boards: of 48 chips, 1 or a multiple of 3; 0 for as few as it takes.
        dead: a JSON file of parts that do not work, or these parts.
        placement: "traffic" or "naive" (in the order of the network).
        time_scale: milliseconds per tick, which bound what a core can receive and do in it; 0 for as many as a run
            needs.
    """

    chip: str = option("spinnaker1", "chip whose limits apply", choices=("spinnaker1", "spinnaker2"))
    neurons: str = option("custom", "our neuron programs, or sPyNNaker's own", choices=("custom", "stock"))
    neurons_per_core: int | None = option(None, "maximum of neurons per core", kind="whole", least=1)
    cores_per_chip: int | None = option(None, "maximum of cores per chip", kind="whole", least=1)
    boards: int = option(0, "boards of 48 chips: 1 or a multiple of 3; 0: as needed", kind="whole")
    dead: str | os.PathLike[str] | Dead | None = option(None, "JSON of dead chips, cores and links", kind="file")
    placement: str = option("traffic", "how cores are placed", choices=("traffic", "naive"))
    time_scale: int = option(0, "milliseconds per tick; 0: what a run needs", kind="whole", metavar="MS")
