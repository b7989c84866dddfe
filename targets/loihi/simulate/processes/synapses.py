"""Faster models of Lava's stock connections, number for number the same (`exact_lava` runs the stock ones)."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.proc.conv.models import PyConvModelFixed
from lava.proc.sparse.models import PyDelaySparseModelBitAcc

EXACT_FLOAT32 = 1 << 24


class PyConvModelWindows(PyConvModelFixed):
    """The stock convolution as one matrix product per group over the windows of the padded input.

    The stock model sums in float64; so does this one, or in float32 where the weights prove every partial sum below
    2^24, which only reads spikes as 0 and 1.
    """

    a_buf: np.ndarray

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.matrix: np.ndarray | None = None

    def run_spk(self) -> None:
        self.a_out.send(self.a_buf)
        s_in = self.s_in.recv()
        if self.matrix is None:
            self._prepare()
        self.a_buf = self._convolve(s_in if self.num_message_bits.item() else s_in.astype(bool))

    def _prepare(self) -> None:
        groups = int(self.groups[0])
        kernel = self.weight[:, ::-1, ::-1, :]  # a true convolution becomes a correlation
        out, width, height, channels = kernel.shape
        binary = not self.num_message_bits.item()
        bound = np.abs(kernel.astype(np.int64)).sum(axis=(1, 2, 3)).max()
        dtype = np.float32 if binary and bound <= EXACT_FLOAT32 else np.float64
        matrix = kernel.transpose(0, 3, 1, 2).reshape(groups, out // groups, channels * width * height)
        self.matrix = matrix.transpose(0, 2, 1).astype(dtype)  # [groups, I/groups * kernel, O/groups]

    def _convolve(self, s_in: np.ndarray) -> np.ndarray:
        assert self.matrix is not None
        (pw, ph), (dw, dh), (sw, sh) = (
            tuple(int(n) for n in pair) for pair in (self.padding, self.dilation, self.stride)
        )
        kw, kh = (int(n) for n in self.kernel_size)
        x = np.pad(s_in, ((pw, pw), (ph, ph), (0, 0))).astype(self.matrix.dtype)
        extent = (dw * (kw - 1) + 1, dh * (kh - 1) + 1)
        windows = np.lib.stride_tricks.sliding_window_view(x, extent, axis=(0, 1))
        windows = windows[::sw, ::sh, :, ::dw, ::dh]  # [W, H, C, kw, kh]
        groups, inner, _ = self.matrix.shape
        columns = windows.reshape(-1, groups, inner).transpose(1, 0, 2)
        sums = (columns @ self.matrix).transpose(1, 0, 2).reshape(self.a_out.shape)
        return self.clamp_precision(sums.astype(self.weight.dtype))


class PyDelaySparseModelOnce(PyDelaySparseModelBitAcc):
    """The stock delayed connection, whose matrix of weights by delay is built once and not at every step."""

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.by_delay: Any = None

    def calc_act(self, s_in: np.ndarray) -> np.ndarray:
        if self.by_delay is None:
            self.by_delay = self.get_delay_wgts_mat(self.weights, self.delays, self.a_buff.shape[-1] - 1).tocsr()
        return np.reshape(self.by_delay.dot(s_in), (self.a_buff.shape[-1], self.weights.shape[0])).T
