"""What a NIR graph computes, one element and one step at a time, straight from the equations of its primitives."""

from __future__ import annotations

import functools
import math

import nir
import numpy as np

NEURONS = (nir.IF, nir.LIF, nir.CubaLIF, nir.I, nir.LI, nir.CubaLI)


class ByHand:
    """The run of one sample through a graph. inputs: [T, *shape] by Input node. Vectors only, but for maps."""

    def __init__(self, graph, inputs):
        self.graph, self.inputs = graph, inputs
        self.value = functools.cache(self._value)
        self.state = functools.cache(self._state)

    def arriving(self, name, step):
        """The summed input; a recurrent edge brings what its source had a step before."""
        total = np.zeros(self.graph.input_shapes[name])
        for source, target in self.graph.edges:
            if target == name:
                total = total + self.value(source, step - ((source, target) in self.graph.recurrent))
        return total

    def _value(self, name, step):
        node = self.graph.nodes[name]
        if isinstance(node, nir.Input):
            return self.inputs[name][step] if step >= 0 else np.zeros(self.graph.output_shapes[name])
        if isinstance(node, nir.Delay):
            out = np.zeros(node.delay.shape)
            for index in np.ndindex(out.shape):
                then = step - round(float(node.delay[index]) / self.graph.info.dt)
                out[index] = self.arriving(name, then)[index] if then >= 0 else 0
            return out
        if isinstance(node, (*NEURONS, nir.Threshold)) and step < 0:
            return np.zeros(self.graph.output_shapes[name])
        if isinstance(node, NEURONS):
            _, v, fired, _ = self.state(name, step)
            return fired if hasattr(node, "v_threshold") else v
        x = self.arriving(name, step)
        if isinstance(node, nir.Threshold):
            return (x > node.threshold).astype(float)
        if isinstance(node, nir.Linear | nir.Affine):
            return node.weight @ x + getattr(node, "bias", 0)
        if isinstance(node, nir.Scale):
            return node.scale * x
        assert isinstance(node, nir.Output)
        return x

    def _state(self, name, step):
        """(u, v after the reset, spikes, v before it) after a step."""
        node, info = self.graph.nodes[name], self.graph.info
        shape = self.graph.output_shapes[name]
        if step < 0:
            return (np.zeros(shape),) * 4
        before, a = self.state(name, step - 1), self.arriving(name, step)
        result = np.zeros((4, *shape))
        for i in np.ndindex(shape):
            u, v, fired, _ = (part[i] for part in before)

            def towards(x, goal, tau, i=i):
                if info.integration == "euler":
                    return x + info.dt / tau[i] * (goal - x)
                return goal + (x - goal) * math.exp(-info.dt / tau[i])

            u_before = u
            u = towards(u, node.w_in[i] * a[i], node.tau_syn) if hasattr(node, "tau_syn") else a[i]
            drive = node.r[i] * (u_before if node.metadata.get("late_current") else u)
            if not (fired and node.metadata.get("refractory")):
                if isinstance(node, nir.IF | nir.I):
                    v = v + info.dt * drive
                else:
                    v = towards(v, node.v_leak[i] + drive, getattr(node, "tau", getattr(node, "tau_mem", None)))
            charged = v
            fired = hasattr(node, "v_threshold") and v > node.v_threshold[i]
            if fired and node.metadata.get("reset") == "subtract":
                v = v - np.broadcast_to(node.metadata.get("reset_value", node.v_threshold), shape)[i]
            elif fired:
                v = node.v_reset[i]
            result[(slice(None), *i)] = u, v, fired, charged
        return tuple(result)
