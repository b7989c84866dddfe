"""Spiking neurons over time: SRIF with the membrane-potential rectifier, IF, LIF, and the integrating readout.

Tensors are [T, B, ...], time first. Potentials start at 0 for every sample and nothing is kept between calls.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from inflor.converter.errors import InputError

NeuronKind = Literal["srif", "if", "lif"]
ResetKind = Literal["subtract", "zero"]
Surrogate = Literal["straight_through", "triangle", "arctan"]

MPR_THRESHOLD = 0.5
"""The only threshold at which the rectifier changes no spike: its point of symmetry."""
_TANH_SLOPE = 3.0
_TANH_HEIGHT = 2.0 * math.tanh(_TANH_SLOPE / 2)
_ARCTAN_ALPHA = 2.0


@dataclass(frozen=True, kw_only=True)
class NeuronConfig:
    """Everything that says how a trained neuron behaves, in units of the potential and of one timestep.

    Attributes:
        kind: "srif" (soft-reset IF), "if" or "lif".
        threshold: theta; a neuron fires when its potential is at least theta.
        reset: "subtract" takes `reset_value` off per spike, "zero" sets the potential to `v_reset`.
        reset_value: rho, which a spike takes off.
        v_reset: the potential after a hard reset, and the one to which a LIF leaks.
        tau: the LIF's time constant in steps.
        mpr: whether the potential is rectified before the step function.
        surrogate: the derivative that stands in for the step function's.
        detach_reset: whether no gradient passes through the reset.

    Raises:
        InputError: a value is outside its range or two of them contradict each other.
    """

    kind: NeuronKind = "srif"
    threshold: float = 0.5
    reset: ResetKind = "subtract"
    reset_value: float = 1.0
    v_reset: float = 0.0
    tau: float = 2.0
    mpr: bool = True
    surrogate: Surrogate = "straight_through"
    detach_reset: bool = False

    def __post_init__(self) -> None:
        choices = (("kind", NeuronKind), ("reset", ResetKind), ("surrogate", Surrogate))
        for name, literal in choices:
            if getattr(self, name) not in get_args(literal):
                raise InputError(f"neuron {name} {getattr(self, name)!r}: choose one of {', '.join(get_args(literal))}")
        for name in ("threshold", "reset_value", "v_reset", "tau"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise InputError(f"neuron {name} {value!r}: must be a finite number")
        for name in ("mpr", "detach_reset"):
            if not isinstance(getattr(self, name), bool):
                raise InputError(f"neuron {name} {getattr(self, name)!r}: must be true or false")
        if self.threshold <= 0 or self.reset_value <= 0:
            raise InputError("neuron threshold and reset_value must be above 0")
        if self.v_reset >= self.threshold:
            raise InputError(f"neuron v_reset {self.v_reset} must be below the threshold {self.threshold}")
        if self.tau < 1:
            raise InputError(f"neuron tau {self.tau}: must be at least 1 timestep")
        if self.kind == "srif" and self.reset != "subtract":
            raise InputError("an srif neuron resets by subtraction; for a reset to zero choose the kind if")
        if self.mpr and self.threshold != MPR_THRESHOLD:
            raise InputError(
                f"the membrane-potential rectifier keeps every spike only at threshold {MPR_THRESHOLD}, "
                f"not {self.threshold}; turn mpr off or keep the threshold"
            )

    @classmethod
    def preset(cls, kind: str, **overrides: Any) -> NeuronConfig:
        """Make the usual neuron of a kind: srif is the InfLoR paper's; if and lif reset hard and have no rectifier."""
        usual: dict[str, Any] = {"kind": kind}
        if kind in ("if", "lif"):
            usual |= {"reset": "zero", "mpr": False}
        return cls(**(usual | overrides))


def mpr(u: Tensor) -> Tensor:
    """The membrane-potential rectifier phi(u) of the InfLoR paper; any shape, differentiable.

        phi(u) = 1 - (1-u)^(1/3)                              u < 0
                 tanh(3(u - 1/2)) / (2 tanh(3/2)) + 1/2       0 <= u <= 1
                 u^(1/3)                                      u > 1

    Symmetric about (1/2, 1/2); phi(u) >= 1/2 exactly where u >= 1/2.
    """
    # The clamps keep the branches not taken inside their domain, else their gradient would be NaN * 0.
    below = 1 - (1 - u.clamp(max=0)).pow(1 / 3)
    middle = torch.tanh(_TANH_SLOPE * (u - 0.5)) / _TANH_HEIGHT + 0.5
    above = u.clamp(min=1).pow(1 / 3)
    return torch.where(u < 0, below, torch.where(u > 1, above, middle))


def surrogate_gradient(u: Tensor, config: NeuronConfig) -> Tensor:
    """do/du of a neuron's output by its potential `u` (any shape): the surrogate at phi(u) times phi'(u).

    With x = phi(u), or x = u without the rectifier, and theta the threshold:

        straight_through   1 where |x - theta| <= 1/2, else 0          (InfLoR: 0 <= u <= 1)
        triangle           2 max(0, 1 - 2|x - theta|)
        arctan             1 / (1 + (pi (x - theta))^2)                (Fang et al. 2021, alpha = 2)

    Each has area 1. The first two vanish outside [0, 1] at theta = 1/2, where no cube root is needed.
    """
    if not config.mpr:
        return _surrogate(u - config.threshold, config.surrogate)
    if config.surrogate == "arctan":
        x = mpr(u)
        # Outside [0, 1] the derivative of a cube root r is 1/(3 r^2), and r is at hand: 1 - phi below, phi above.
        outside = 1 / (3 * torch.where(u < 0, 1 - x, x).square())
        slope = torch.where((u < 0) | (u > 1), outside, _middle_slope((x - 0.5) * _TANH_HEIGHT))
        return _surrogate(x - 0.5, "arctan") * slope
    centred = u - 0.5
    tanh = (_TANH_SLOPE * centred).tanh_()
    # In place, and with the mask as a float: boolean masks cost torch on a CPU several times as much.
    inside = torch.le(centred.abs_(), 0.5, out=centred)
    if config.surrogate == "triangle":
        inside.mul_((1 - tanh.abs() * (2 / _TANH_HEIGHT)).clamp_(min=0).mul_(2))
    return _middle_slope(tanh).mul_(inside)


def _middle_slope(tanh: Tensor) -> Tensor:
    """phi'(u) for 0 <= u <= 1 from tanh(3(u - 1/2)), in its place."""
    return tanh.square_().mul_(-_TANH_SLOPE / _TANH_HEIGHT).add_(_TANH_SLOPE / _TANH_HEIGHT)


def _surrogate(distance: Tensor, surrogate: Surrogate) -> Tensor:
    if surrogate == "straight_through":
        return (distance.abs() <= 0.5).to(distance.dtype)
    if surrogate == "triangle":
        return (1 - 2 * distance.abs()).clamp_(min=0).mul_(2)
    return 1 / (1 + (math.pi / 2 * _ARCTAN_ALPHA * distance).square())


class _Fire(torch.autograd.Function):
    """All timesteps of one population: [T, B, ...] input current -> [T, B, ...] spikes of the same dtype."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, config: NeuronConfig) -> Tensor:
        potentials = torch.empty_like(x)
        spikes = torch.empty_like(x)
        u = torch.zeros_like(x[0])
        for step, current in enumerate(x):
            h, o = potentials[step], spikes[step]
            if config.kind == "lif":
                torch.add(u, (current - (u - config.v_reset)) / config.tau, out=h)
            else:
                torch.add(u, current, out=h)
            # phi(h) >= 1/2 exactly where h >= 1/2 (a test proves it), so the rectifier costs nothing here.
            torch.ge(h, config.threshold, out=o)
            if config.reset == "subtract":
                torch.sub(h, o, alpha=config.reset_value, out=u)
            else:
                u = torch.where(o != 0, config.v_reset, h)
        ctx.save_for_backward(potentials)
        ctx.config = config
        return spikes

    @staticmethod
    def backward(ctx: Any, grad_spikes: Tensor) -> tuple[Tensor, None]:
        (potentials,) = ctx.saved_tensors
        config: NeuronConfig = ctx.config
        grad_x = torch.empty_like(potentials)
        grad_u = torch.zeros_like(potentials[0])
        for step in reversed(range(len(potentials))):
            h, grad_h = potentials[step], grad_x[step]
            # dL/dh = dL/do do/dh + dL/du du/dh, and u depends on h directly and through o.
            grad_o = grad_spikes[step]
            if config.reset == "subtract":
                through = grad_u
                if not config.detach_reset:
                    grad_o = torch.sub(grad_o, grad_u, alpha=config.reset_value)
            else:
                through = grad_u * (h < config.threshold)
                if not config.detach_reset:
                    grad_o = grad_o + grad_u * (config.v_reset - h)
            torch.addcmul(through, grad_o, surrogate_gradient(h, config), out=grad_h)
            if config.kind == "lif":
                grad_u = grad_h * (1 - 1 / config.tau)
                grad_h.div_(config.tau)
            else:
                grad_u = grad_h
        return grad_x, None


class SpikingNeuron(nn.Module):
    """A population of spiking neurons: input current [T, B, ...] -> spikes [T, B, ...], each 0 or 1.

        SRIF, IF   H[t] = U[t-1] + X[t]
        LIF        H[t] = U[t-1] + (X[t] - (U[t-1] - v_reset)) / tau
                   o[t] = 1 if phi(H[t]) >= theta else 0       phi is the identity without the rectifier
        subtract   U[t] = H[t] - rho o[t]
        zero       U[t] = H[t] (1 - o[t]) + v_reset o[t]

    Source: the InfLoR paper for SRIF and phi; NIR's definitions for IF and LIF.
    """

    def __init__(self, config: NeuronConfig) -> None:
        super().__init__()
        self.config = config

    def forward(self, x: Tensor) -> Tensor:
        return _Fire.apply(x, self.config)  # type: ignore[no-untyped-call]

    def extra_repr(self) -> str:
        return str(self.config)


class Readout(nn.Module):
    """Integrates and never fires: input current [T, B, ...] -> potentials [T, B, ...], V[t] = V[t-1] + X[t]."""

    def forward(self, x: Tensor) -> Tensor:
        # Step by step, because torch.cumsum on CUDA does not promise the same sum twice.
        return torch.stack(list(itertools.accumulate(x)))
