"""Bits that a population takes in the network's own number formats."""

from __future__ import annotations

import numpy as np

from inflor.quant.ir.network import IntegerNetwork, Population
from inflor.quant.ir.ranges import StateRange
from inflor.quant.operators import IntArray, weighted
from inflor.targets.cost.result import Memory


def memory(network: IntegerNetwork, population: Population, reached: StateRange, synapses: int) -> Memory:
    """Weights, states and parameters of one population. reached: its states; synapses: connections into it."""
    operators = [weighted(q.operators) for q in network.incoming[population.name]]
    weights = sum(int(op.weight.size) for op in operators if op is not None) * population.weight_bits
    states = population.size * (reached.state_bits + reached.synaptic_bits)
    rule = population.rule
    fields = [rule.bias, rule.drift]
    if population.role != "readout":
        fields += [rule.threshold, rule.reset_value, rule.v_reset]
    parameters = sum(_parameter_bits(np.asarray(values)) for values in fields)
    parameters += sum(int(d.size) * rule.decay_bits for d in rule.decays if d.any())
    return Memory(weights, synapses * population.weight_bits, states, parameters)


def _parameter_bits(values: IntArray) -> int:
    """An array at the width of its largest element; all zero takes nothing."""
    peak = int(np.abs(values).max(initial=0))
    return int(values.size) * _signed_bits(peak) if peak else 0


def _signed_bits(peak: int) -> int:
    return peak.bit_length() + 1
