"""A toy chip for inflor. The command line reads this file at every start, so the work waits in `machine`."""

from dataclasses import dataclass

from inflor.quant.ir.features import Feature
from inflor.targets.api import Chip, Target, deferred, option


@dataclass(frozen=True)
class ToyOptions:
    neurons_per_core: int = option(128, "neurons on one core", kind="whole", least=16, most=256)


TARGET = Target(
    name="toy",
    summary="a toy chip that shows how a target is written",
    options=ToyOptions,
    features=frozenset(
        {Feature.GRADED_INPUT, Feature.FRAMES, Feature.READOUT, Feature.BIAS, Feature.DELAY, Feature.RECURRENT}
        | {Feature.LEAK, Feature.SOFT_RESET, Feature.HARD_RESET, Feature.PER_NEURON_THRESHOLDS}
    ),
    chips={"toy1": Chip(title="Toy 1", models=(deferred("toy_target.machine:energy"),))},
    violations=deferred("toy_target.machine:violations"),
    place=deferred("toy_target.machine:place"),
    run=deferred("toy_target.machine:run"),
    describe=deferred("toy_target.machine:describe"),
    core_map=deferred("toy_target.machine:core_map"),
)
