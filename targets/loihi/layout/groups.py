"""Lays an integer network out on the chip: what every population becomes, when it works, and what connects it."""

from __future__ import annotations

from dataclasses import replace

from inflor.quant.ir.network import IntegerNetwork, Population
from inflor.quant.ir.ranges import state_ranges
from inflor.targets.loihi.layout.connections import connect, self_inhibition
from inflor.targets.loihi.layout.guard import (
    fits_stock_state,
    needs_short_guard,
    reference_delay,
    sends_late,
    short_guard_is_exact,
)
from inflor.targets.loihi.numbers import misfits
from inflor.targets.loihi.options import SoftReset
from inflor.targets.loihi.plan import STOCK, Balance, Group, LayoutOptions, Plan, Role, Synapses


def plan(network: IntegerNetwork, options: LayoutOptions | None = None) -> Plan:
    """Lay the network out. It is expected to pass `inflor.targets.loihi.rules`."""
    options = options or LayoutOptions()
    role = roles(network, options)
    late = sends_late(network)
    groups = [
        Group(p.name, role[p.name], p.shape, network.depth[p.name], p, p.name in late or role[p.name] == "integrator")
        for p in network.populations
    ]
    by_population = {(g.name, 0): g for g in groups}
    synapses: list[Synapses] = []
    balances: list[Balance] = []
    for number, projection in enumerate(network.projections):
        made, balance = connect(network, projection, number, by_population, options)
        synapses += made
        balances += [balance] if balance is not None else []
    for group in groups:
        if group.role == "integrator":
            synapses += self_inhibition(group)
    active = network.info.timesteps
    integrates = any(g.role == "integrator" for g in groups)  # a spike of the last step is still to be subtracted
    steps = max([int(integrates), *(reference_delay(network, q) for q in network.projections)])
    period = interval = active + steps
    if any(g.muted and g.role in STOCK for g in groups):
        if options.guard == "auto":
            short = needs_short_guard(network) or short_guard_is_exact(network, groups, steps)
            options = replace(options, guard="short" if short else "long")
        period = interval if options.guard == "short" else 2 * interval
    used = {s.source for s in synapses}
    sending = (g for g in by_population.values() if g.role != "input" or g.name in used)  # or only later copies are
    return Plan(tuple(sending), tuple(synapses), tuple(balances), period, active, interval, options)


def roles(network: IntegerNetwork, options: LayoutOptions) -> dict[str, Role]:
    """What every population becomes."""
    ranges, late = state_ranges(network), sends_late(network)
    found: dict[str, Role] = {}
    for population in network.populations:
        name = population.name
        role = found[name] = _role(population, options.soft_reset, name in late)
        sources = {network.by_name[q.source].role for q in network.incoming[name]}
        if role not in ("integrator", "lif"):
            continue
        proved = fits_stock_state(population, ranges[name]) and not population.groups
        if sources != {"input"}:
            if (
                not proved and options.soft_reset == "microcode"
            ):  # stock neurons count in 1/64 of a unit, programs do not
                found[name] = "program"
            continue
        if options.first_layer == "host" or (options.first_layer == "auto" and not options.graded_spikes):
            found[name] = "encoder"
        elif not proved and options.first_layer == "auto":
            found[name] = "encoder" if options.soft_reset == "stock" else "program"
    return found


def _role(population: Population, soft_reset: SoftReset, late: bool) -> Role:
    """With microcode, stock neurons only where they do all of it, and need no help to be silent between samples.

    Whether they can hold its states is left to `roles`.
    """
    if population.role == "input":
        return "input"
    if population.role == "readout":
        return "program" if soft_reset == "microcode" else "readout"
    if soft_reset == "microcode":
        stock = population.rule.reset_kind == "zero" and not population.rule.v_reset.any() and not late
        return "lif" if stock and not any(misfits(population)) else "program"
    return "integrator" if population.rule.reset_kind == "subtract" else "lif"
