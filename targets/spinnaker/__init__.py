"""Target `spinnaker`: a SpiNNaker machine of cores, packets and routing tables, simulated packet by packet."""

from __future__ import annotations

from inflor.quant.ir.features import Feature
from inflor.targets.api import Chip, Export, Target, deferred
from inflor.targets.spinnaker.options import SpinnakerOptions

_COST = "inflor.targets.spinnaker.cost"
TARGET = Target(
    name="spinnaker",
    summary="SpiNNaker: placed, routed and packed, then run packet by packet in its own arithmetic",
    options=SpinnakerOptions,
    features=frozenset(
        {
            Feature.GRADED_INPUT,
            Feature.FRAMES,
            Feature.READOUT,
            Feature.SOFT_RESET,
            Feature.HARD_RESET,
            Feature.HARD_RESET_TO_VALUE,
            Feature.NO_RESET,
            Feature.BIAS,
            Feature.LEAK,
            Feature.CURRENT,
            Feature.DRIFT,
            Feature.REFRACTORY,
            Feature.FRACTION_BITS,
            Feature.DECAY_BITS,
            Feature.PER_NEURON_THRESHOLDS,
            Feature.DELAY,
            Feature.RECURRENT,
            Feature.MAX,
        }
    ),
    chips={
        "spinnaker1": Chip(
            title="SpiNNaker 1",
            models=(deferred(f"{_COST}:events"), deferred(f"{_COST}:board")),
            every_synapse=True,
        ),
        "spinnaker2": Chip(
            title="SpiNNaker 2", models=(deferred(f"{_COST}:second"),), by_default=False, every_synapse=True
        ),
    },
    violations=deferred("inflor.targets.spinnaker.target:violations"),
    place=deferred("inflor.targets.spinnaker.target:place"),
    run=deferred("inflor.targets.spinnaker.target:run"),
    observe=deferred("inflor.targets.spinnaker.target:observe"),
    describe=deferred("inflor.targets.spinnaker.report:describe"),
    draw=deferred("inflor.targets.spinnaker.draw:draw"),
    core_map=deferred("inflor.targets.spinnaker.core_map:on_chip"),
    exports={
        "spynnaker": Export(
            help="a sPyNNaker script of hard-reset networks (a .py and its .py.npz)",
            suffix=".spynnaker.py",
            write=deferred("inflor.targets.spinnaker.export_script:write"),
            beside=deferred("inflor.targets.spinnaker.export_script:written_beside"),
        )
    },
)
