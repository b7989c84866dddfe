"""What keeps one sample's spikes out of the next: guard steps, and neurons that are silent in them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from inflor.quant.ir.network import IntegerNetwork, Population, Projection
from inflor.quant.ir.ranges import StateRange, state_ranges
from inflor.quant.operators import IntArray
from inflor.targets.loihi.numbers import LARGEST_STATE, finest_shift, keep
from inflor.targets.loihi.plan import SILENCE, STOCK, Group, Plan
from inflor.targets.loihi.widths import INPUT_SHIFT, STATE_BITS


def reference_delay(network: IntegerNetwork, projection: Projection) -> int:
    """Steps in reference time, 0 where nothing would arrive before the sample's end."""
    return projection.delay if projection.delay < network.info.timesteps else 0


def sends_late(network: IntegerNetwork) -> frozenset[str]:
    """Populations whose spikes can be under way at the end of a sample."""
    return frozenset(q.source for q in network.projections if reference_delay(network, q))


def needs_short_guard(network: IntegerNetwork) -> bool:
    """In a long guard nothing may be under way for longer than a step, nor drift."""
    return bool(sends_late(network)) or any(p.rule.drift.any() for p in network.populations if p.role != "readout")


def short_guard_is_exact(network: IntegerNetwork, groups: list[Group], steps: int) -> bool:
    """Every muted stock neuron provably stays where SILENCE pushes it below its threshold and not out of 24 bits."""
    ranges = state_ranges(network)
    return all(
        silence_holds(g.population, ranges[g.name], steps, g.role == "integrator")
        for g in groups
        if g.muted and g.role in STOCK
    )


def silence_holds(population: Population, state: StateRange, steps: int, integrates: bool) -> bool:
    """Whether SILENCE keeps a stock neuron below its threshold for `steps` guard steps, and its current in 24 bits.

    After a step the current is -SILENCE give or take d: what it was before (the state itself, of an integrator), and
    at every step what arrives and a rounding. The potential, at most the threshold before, then stays below it, and
    the current within 24 bits, if d and the drift together are less than SILENCE.
    """
    shift = finest_shift(population)
    kept = state.state.peak if integrates else state.synaptic.peak if state.synaptic is not None else 0
    arriving = (state.current.peak << INPUT_SHIFT) + (1 << INPUT_SHIFT)
    drift = int(np.abs(population.rule.drift).max()) << shift
    return (kept << shift) + steps * arriving + drift < SILENCE << INPUT_SHIFT


def fits_stock_state(population: Population, state: StateRange) -> bool:
    """Whether the weights prove that u and v, which is relative to v_reset, of a stock neuron stay within 24 bits."""
    synaptic = 0 if state.synaptic is None else state.synaptic.peak
    potential = state.state.peak + (int(np.abs(population.rule.v_reset).max()) << population.rule.fraction_bits)
    return max(potential, synaptic) << max(finest_shift(population), 0) <= LARGEST_STATE


def unproved(plan: Plan, ranges: Mapping[str, StateRange]) -> list[str]:
    """Populations that the weights do not prove to stay within the 24 bits of their states, or of their silence."""
    found = []
    for group in plan.groups:
        if group.role in ("input", "relay"):
            continue
        population, state = group.population, ranges[group.population.name]
        if group.role not in STOCK:
            synaptic = 0 if state.synaptic is None else state.synaptic.peak
            proved = max(state.state.peak, synaptic) < 1 << (STATE_BITS - 1)  # whose least value is none of v's
        else:
            steps = plan.period - plan.active if group.muted and plan.guard == "short" else 0
            quiet = not steps or silence_holds(population, state, steps, group.role == "integrator")
            proved = fits_stock_state(population, state) and quiet
        found += [] if proved else [group.name]
    return found


def repeated_input(
    plan: Plan, depth: int, bias: IntArray, first: IntArray, silence: int, forgets: IntArray
) -> tuple[IntArray, IntArray]:
    """Input of neurons [n] at this depth that repeats every period, [n, period], from time step 1 on.

    It is the bias at every step that counts, with `first` added to the first of them. In guard steps it pushes the
    current down by `silence` and keeps it there: it makes up for what the current forgets (its decay).

    Returns:
        The input, and the current before time step 1, [n], in 1/64 of a unit: pushed down already where the first
        step is in the midst of a guard. What fired there for its drift alone would still be under way at step `depth`.
    """
    phase = (np.arange(plan.period) - depth) % plan.period
    pattern = np.where(phase < plan.active, bias[:, None], 0) + np.where(phase == 0, first[:, None], 0)
    pushed = start = np.zeros_like(bias)
    for step in range(plan.active, plan.period if silence else plan.active):
        start = pushed if phase[0] == step else start
        kept = keep(pushed, forgets)
        push = ((silence << INPUT_SHIFT) + kept) >> INPUT_SHIFT
        pattern[:, phase == step] = -push[:, None]
        pushed = kept - (push << INPUT_SHIFT)
    return pattern, start
