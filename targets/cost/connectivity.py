"""Which neuron reaches which: exact, and without unrolling convolutions.

A chain of convolutions and pools is a sum over the taps k of the one kernel in it,

    W[(o, p), (i, y)] = sum_k w[o, i, k] A_k[p, y],        A_k: the spatial part of tap k (pools included),

so a pair of places (p, y) enters only by the column A[:, p, y], its signature, and there are few different ones. Where
taps meet in one pair (overlapping pools), their weights may cancel; the sums are formed, so this is exact too. Every
other chain is unrolled, as it is no larger than its weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse

from inflor.quant.operators import Conv, IntArray, Operator, Shape, SumPool, Weighted, unrolled, weighted

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Unrolled:
    """matrix: scipy CSR [target, source] of a connection, without zeros."""

    matrix: Any

    @cached_property
    def pattern(self) -> Any:
        """1 where there is a synapse, int64 [target, source]."""
        pattern = self.matrix.astype(np.int64)
        pattern.data = np.ones_like(pattern.data)
        return pattern

    @cached_property
    def fan_out(self) -> IntArray:
        """Synapses of every source neuron, [source]."""
        return np.bincount(self.matrix.indices, minlength=self.matrix.shape[1]).astype(np.int64)

    def into_cores(self, core: IntArray, cores: int) -> Any:
        """Synapses of every source neuron in every core, CSR int64 [cores, source]. core: of each target neuron."""
        size = len(core)
        member = scipy.sparse.csr_matrix((np.ones(size, np.int64), (core, np.arange(size))), shape=(cores, size))
        return (member @ self.pattern).tocsr()

    def reach(self, core: IntArray, cores: int) -> BoolArray:
        """Whether a source neuron has a synapse in a core, bool [cores, source]."""
        return np.asarray(self.into_cores(core, cores).toarray() > 0)

    def events(self, spikes: BoolArray, core: IntArray, cores: int) -> IntArray:
        """Synaptic events of every step in every core, int64 [steps, cores]. spikes: bool [steps, source]."""
        fired = scipy.sparse.csr_matrix(spikes, dtype=np.int64)
        return np.asarray((fired @ self.into_cores(core, cores).T.tocsr()).toarray(), np.int64)

    def touched(self, spikes: BoolArray, wanted: IntArray) -> BoolArray:
        """Which of the target neurons `wanted` receive an event, bool [steps, wanted]."""
        fired = scipy.sparse.csr_matrix(spikes, dtype=np.int64)
        return np.asarray((fired @ self.pattern[wanted].T.tocsr()).toarray() > 0)


@dataclass(frozen=True, eq=False)
class Separable:
    """A chain of convolutions and pools. kernel: int64 [O, I / groups, K] over K taps.

    signatures: int64 [S, K]; pattern: scipy CSR [target places, source places], 1 + number of the signature.
    """

    kernel: IntArray
    groups: int
    signatures: IntArray
    pattern: Any

    def with_zeros(self) -> Separable:
        """The same with weights of zero as synapses."""
        return replace(self, kernel=np.ones_like(self.kernel))

    @cached_property
    def places(self) -> tuple[int, int]:
        """Target and source places (of one channel)."""
        rows, columns = self.pattern.shape
        return rows, columns

    @cached_property
    def joined(self) -> BoolArray:
        """Whether output o and input i of its group are joined by a pair of a signature, bool [S, O, I / groups]."""
        if (np.count_nonzero(self.signatures, axis=1) == 1).all():  # a tap each
            return np.moveaxis(self.kernel[:, :, self.signatures.argmax(1)] != 0, 2, 0)
        return np.stack([(self.kernel @ signature) != 0 for signature in self.signatures])

    @cached_property
    def _by_signature(self) -> list[Any]:
        """1 where a pair of places has a signature, CSR [target places, source places] per signature."""
        made = []
        for number in range(len(self.signatures)):
            part = self.pattern.copy()
            part.data = (part.data == number + 1).astype(np.int64)
            part.eliminate_zeros()
            made.append(part)
        return made

    @cached_property
    def fan_out(self) -> IntArray:
        """Synapses of every source neuron, [I * source places]."""
        outputs = self._outputs(np.zeros(len(self.kernel), np.int64), 1)[:, 0]  # [S, I]
        counts = np.stack([np.bincount(p.indices, minlength=self.places[1]) for p in self._by_signature])
        return np.asarray((outputs.T @ counts).reshape(-1), np.int64)

    def _outputs(self, block: IntArray, blocks: int) -> IntArray:
        """Outputs of every block that each input channel is joined to, int64 [S, blocks, I]. block: of each output."""
        signatures, outputs, inner = self.joined.shape
        per_group = outputs // self.groups
        found = np.zeros((signatures, blocks, self.groups, inner), np.int64)
        for o in range(outputs):
            found[:, block[o], o // per_group] += self.joined[:, o]
        return found.reshape(signatures, blocks, self.groups * inner)

    def _split(self, core: IntArray) -> tuple[IntArray, IntArray, IntArray]:
        """Blocks of channels and of places such that a neuron's core follows from its two blocks.

        Returns the block of each channel, the block of each place, and the core of each pair of blocks.
        """
        table = core.reshape(len(self.kernel), self.places[0])
        rows, channel = np.unique(table, axis=0, return_inverse=True)
        columns, place = np.unique(rows, axis=1, return_inverse=True)
        return channel.reshape(-1), place.reshape(-1), columns

    def _into(self, place: IntArray, blocks: int) -> Any:
        """Places of every block that a source place is paired with, CSR [S * blocks, source places]."""
        size = len(place)
        member = scipy.sparse.csr_matrix((np.ones(size, np.int64), (place, np.arange(size))), shape=(blocks, size))
        return scipy.sparse.vstack([member @ part for part in self._by_signature], format="csr")

    def reach(self, core: IntArray, cores: int) -> BoolArray:
        """Whether a source neuron has a synapse in a core, bool [cores, source]. core: of each target neuron."""
        channel, place, table = self._split(core)
        blocks, places = table.shape
        outputs = (self._outputs(channel, blocks) > 0).astype(np.float32)  # [S, blocks, I]
        into = (self._into(place, places).toarray() > 0).astype(np.float32).reshape(len(outputs), -1)  # [S, places * Y]
        found = np.zeros((cores, outputs.shape[2] * self.places[1]), bool)
        for b in range(blocks):
            reached = (outputs[:, b].T @ into > 0).reshape(outputs.shape[2], places, -1)  # [I, places, Y]
            for r in range(places):
                found[table[b, r]] |= reached[:, r].reshape(-1)
        return found

    def events(self, spikes: BoolArray, core: IntArray, cores: int) -> IntArray:
        """Synaptic events of every step in every core, int64 [steps, cores]. spikes: bool [steps, source]."""
        channel, place, table = self._split(core)
        blocks, places = table.shape
        outputs = self._outputs(channel, blocks).astype(np.float64)  # [S, blocks, I]
        steps, inner = len(spikes), outputs.shape[2]
        fired = scipy.sparse.csr_matrix(spikes.reshape(steps * inner, -1), dtype=np.float64)
        met = (fired @ self._into(place, places).T.tocsr()).toarray().reshape(steps, inner, len(outputs), places)
        sums = np.einsum("tisr,sbi->tbr", met, outputs, optimize=True)  # whole numbers below 2**53
        made = np.rint(sums).astype(np.int64).reshape(steps, -1)
        found = np.zeros((steps, cores), np.int64)
        for column, number in enumerate(table.reshape(-1)):
            found[:, number] += made[:, column]
        return found

    def touched(self, spikes: BoolArray, wanted: IntArray) -> BoolArray:
        """Which of the target neurons `wanted` receive an event, bool [steps, wanted]. spikes: bool [steps, source]."""
        steps, (_, outputs, inner) = len(spikes), self.joined.shape
        per_group, places = outputs // self.groups, self.places[0]
        channels, row = np.unique(wanted // places, return_inverse=True)
        events = np.zeros((len(channels), places, steps), np.float32)  # sums of ones: zero where there are none
        grouped = spikes.reshape(steps, self.groups, inner, self.places[1])
        for g in np.unique(channels // per_group):
            mine = np.flatnonzero(channels // per_group == g)
            sent = grouped[:, g].astype(np.float32)  # [steps, I, source places]
            for number, part in enumerate(self._by_signature):
                joined = self.joined[number, channels[mine]].astype(np.float32)  # [mine, I]
                met = np.moveaxis(joined @ sent, 0, 2).reshape(-1, self.places[1], steps)
                for i, made in zip(mine, met, strict=True):
                    events[i] += part.astype(np.float32) @ made
        return np.asarray(events[row.reshape(-1), wanted % places].T > 0)


Connectivity = Unrolled | Separable


def connectivity(operators: tuple[Operator, ...], shape: Shape, zeros: bool = False) -> Connectivity:
    """How a chain connects a source of this shape (no batch). zeros: weights of zero are synapses too."""
    if zeros:
        operators = tuple(
            replace(op, weight=np.ones_like(op.weight)) if isinstance(op, Weighted) else op for op in operators
        )
    conv = weighted(operators)
    if not isinstance(conv, Conv) or not all(isinstance(op, Conv | SumPool) for op in operators):
        return Unrolled(unrolled(operators, shape))
    place = operators.index(conv)
    pools = tuple(op for op in operators if isinstance(op, SumPool))
    before = sum(isinstance(op, SumPool) for op in operators[:place])
    geometry = (conv.weight.shape[2:], conv.stride, conv.padding, conv.dilation)
    signatures, pattern = _signatures(pools[:before], geometry, pools[before:], shape[1:])
    kernel = np.asarray(conv.weight, np.int64).reshape(*conv.weight.shape[:2], -1)
    return Separable(kernel, conv.groups, signatures, pattern)


@lru_cache(maxsize=64)
def _signatures(
    before: tuple[SumPool, ...],
    geometry: tuple[Shape, tuple[int, ...], tuple[tuple[int, int], ...], tuple[int, ...]],
    after: tuple[SumPool, ...],
    spatial: Shape,
) -> tuple[IntArray, Any]:
    """The different columns of A over pairs of places, and which pair has which.

    geometry: kernel, stride, padding and dilation of the convolution between the pools.
    """
    kernel, stride, padding, dilation = geometry
    sources = math.prod(spatial)
    pairs, tap_of, values = [], [], []
    chain: tuple[Operator, ...]
    for number, tap in enumerate(product(*map(range, kernel))):
        weight = np.zeros((1, 1, *kernel), np.int64)
        weight[0, 0][tap] = 1
        chain = (*before, Conv("", weight, stride, padding, dilation, 1), *after)
        part = unrolled(chain, (1, *spatial)).tocoo()
        places = part.shape[0]
        pairs.append(part.row.astype(np.int64) * sources + part.col)
        tap_of.append(np.full(part.nnz, number))
        values.append(part.data)
    taps = len(pairs)
    pair, tap_index, value = (np.concatenate(x) for x in (pairs, tap_of, values))
    if not len(pair):  # nothing but padding is seen
        nothing = scipy.sparse.csr_matrix((places, sources), dtype=np.int64)
        return np.zeros((1, taps), np.int64), nothing
    used, first, inverse = np.unique(pair, return_index=True, return_inverse=True)
    if len(used) == len(pair):  # no two taps meet
        keys = np.column_stack([tap_index, value])
        kinds, which = np.unique(keys, axis=0, return_inverse=True)
        signatures = np.zeros((len(kinds), taps), np.int64)
        signatures[np.arange(len(kinds)), kinds[:, 0]] = kinds[:, 1]
        numbers = which.reshape(-1)[first]
    else:
        full = np.zeros((len(used), taps), np.int64)
        np.add.at(full, (inverse, tap_index), value)
        signatures, found = np.unique(full, axis=0, return_inverse=True)
        numbers = found.reshape(-1)
    pattern = scipy.sparse.csr_matrix((numbers + 1, (used // sources, used % sources)), shape=(places, sources))
    return signatures, pattern
