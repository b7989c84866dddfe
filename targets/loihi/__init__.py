"""Target `loihi`: Lava's fixed-point simulation of Loihi 2, and a mapper for Loihi 1 and 2.

Functions are imported when they are called: the worker, a lean interpreter, imports this package too.
"""

from __future__ import annotations

from inflor.quant.ir.features import Feature
from inflor.targets.api import Chip, Export, Target, deferred
from inflor.targets.loihi.options import LoihiOptions

TARGET = Target(
    name="loihi",
    summary="Loihi 2 in Lava's fixed-point simulation, spike for spike",
    options=LoihiOptions,
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
        "loihi1": Chip(
            title="Loihi 1",
            models=(deferred("inflor.targets.loihi.cost:davies"), deferred("inflor.targets.loihi.cost:sanafe")),
            by_default=False,
            every_synapse=True,
        ),
        "loihi2": Chip(title="Loihi 2", models=(deferred("inflor.targets.loihi.cost:loihi2"),)),
    },
    available=deferred("inflor.targets.loihi.simulate.session:install_command"),
    violations=deferred("inflor.targets.loihi.target:violations"),
    place=deferred("inflor.targets.loihi.target:place"),
    run=deferred("inflor.targets.loihi.target:run"),
    observe=deferred("inflor.targets.loihi.target:observe"),
    describe=deferred("inflor.targets.loihi.report:describe"),
    core_map=deferred("inflor.targets.loihi.core_map:on_chip"),
    exports={
        "netx": Export(
            help="netx, lava-dl's file, of hard-reset networks",
            suffix=".net",
            write=deferred("inflor.targets.loihi.export_netx:write"),
        )
    },
    profile=deferred("inflor.targets.loihi.numbers:profile"),
)
