"""When each population works: stages, ticks per step, and guard steps between samples.

A spike sent in tick t arrives in tick t + 1 at the earliest. So the population at stage k handles step f of the stream
at tick R f + k, and a projection from stage j to stage k with a delay of d steps takes R d + k - j ticks: nothing
but R d where it closes on its own population, and what balances a shorter path where one skips stages. R is 1 unless
a projection leads back over more stages than its delay has steps; then every step takes R ticks, so that the way round
the cycle fits.

A delay acts within a sample. After the last step of a sample come as many guard steps as the longest delay has, in
which no neuron is updated and what arrives is dropped; then the next sample begins with a cleared state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from inflor.quant.ir.network import IntegerNetwork


@dataclass(frozen=True)
class Schedule:
    """stage: of every population, 0 for the input. per_step: R, ticks per step. guard: steps after each sample."""

    stage: Mapping[str, int]
    timesteps: int
    per_step: int
    guard: int

    @property
    def last(self) -> int:
        """The latest stage."""
        return max(self.stage.values())

    def ticks(self, source: str, target: str, delay: int) -> int:
        """From a spike of the source to its arrival, for a projection of `delay` steps."""
        return self.per_step * delay + self.stage[target] - self.stage[source]

    def end(self, samples: int) -> int:
        """The tick in which the last population handles the last step of that many samples."""
        return self.per_step * (samples * (self.timesteps + self.guard) - self.guard - 1) + self.last

    def at(self, tick: int, stage: int) -> tuple[int, int] | None:
        """Sample and step that a stage handles in a tick; None where it has nothing to do."""
        if tick < stage or (tick - stage) % self.per_step:
            return None
        sample, step = divmod((tick - stage) // self.per_step, self.timesteps + self.guard)
        return (sample, step) if step < self.timesteps else None


def make_schedule(network: IntegerNetwork) -> Schedule:
    """The shortest steps that all projections allow."""
    stage: dict[str, int] = {}
    for population in network.populations:
        forward = (q for q in network.incoming[population.name] if not network.is_recurrent(q))
        first = int(population.role != "input")
        stage[population.name] = max((stage[q.source] + 1 for q in forward), default=first)
    per_step, guard = 1, 0
    for projection in network.projections:
        if network.by_name[projection.source].role == "input":
            continue
        guard = max(guard, projection.delay)
        if network.is_recurrent(projection):
            back = stage[projection.source] - stage[projection.target]
            per_step = max(per_step, -(-(back + 1) // projection.delay))
    return Schedule(stage, network.info.timesteps, per_step, guard)
