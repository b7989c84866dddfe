"""`model.int.nir`: an integer network as a valid NIR graph whose arrays are integers, and back.

Arrays hold effective integers, mantissa << exponent, so a reader that knows NIR alone computes the same currents; time
is in steps. A state that leaks is truncated here, and not in plain NIR. What NIR has no field for stands in the
neurons' metadata:

    reset, reset_value, threshold   soft reset, as in the float file (threshold is where the neuron fires at >=)
    scale, weight_bits              the float value of one integer unit, and the width of the mantissas
    decay, current_decay            the exact decays in 1 / 2**decay_bits, for neurons that leak
    drift, fraction_bits            in the state's finest units, and how many bits these are below whole ones
    refractory                      where the step after a spike is lost
    bias                            where no linear node can hold it: per neuron, or behind a pool

A maximum of currents is a SumPool2d before the neuron, whose metadata say `combine`, `dilation` and `ceil_mode`, as in
the float file. In a weighted node's metadata stands its `exponent`, in the graph's `recurrent` what closes cycles.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import nir
import numpy as np

from inflor.converter.errors import InputError
from inflor.converter.nir import file as nir_file
from inflor.converter.nir.graph import RECURRENT_KEY, Graph
from inflor.quant.file.neurons import read_population, whole_number
from inflor.quant.file.read import check_width, read_projection
from inflor.quant.file.write import nodes_of
from inflor.quant.ir.network import IntegerNetwork, Population, check_network
from inflor.quant.passes.pipeline import fuse


def write(path: str | os.PathLike[str], network: IntegerNetwork) -> None:
    """Write the network, atomically.

    Raises:
        InputError: the file cannot be written.
    """
    nodes, edges, closing = nodes_of(network)
    about: dict[str, Any] = {"input_bits": network.input_bits}
    if network.input_range is not None:
        about["input_range"] = np.array(network.input_range)
    metadata: dict[str, Any] = {"inflor_integer": about}
    if closing:
        metadata[RECURRENT_KEY] = json.dumps(closing)
    nir_file.write(path, nodes, edges, network.info, metadata)


def read(path: str | os.PathLike[str]) -> IntegerNetwork:
    """Read a file that `write` made.

    Raises:
        InputError: not a valid NIR file, or not an integer network.
    """
    return from_graph(nir_file.read(path))


def _read_input(graph: Graph) -> tuple[int, tuple[int, int] | None]:
    """The bits and the range of the input, without which its integers mean nothing."""
    about = graph.metadata.get("inflor_integer")
    if not isinstance(about, Mapping) or "input_bits" not in about:
        raise InputError(
            f"{graph.source}: its metadata do not say how many bits its input has ('inflor_integer', 'input_bits'); "
            "quantize the float network again"
        )
    bits = whole_number(about["input_bits"], f"{graph.source}: metadata 'input_bits'", 1, 8)
    for name, node in graph.nodes.items():
        if isinstance(node, nir.Input):
            where = f"{graph.source}: node {name!r}: metadata 'bits'"
            if whole_number(node.metadata.get("bits", bits), where, 1, 8) != bits:
                raise InputError(f"{where}: is {int(node.metadata['bits'])}, but the graph's 'input_bits' is {bits}")
    return bits, _read_range(graph, about.get("input_range"), bits)


def _read_range(graph: Graph, given: Any, bits: int) -> tuple[int, int] | None:
    if given is None:
        return None
    where, limit = f"{graph.source}: metadata 'input_range'", 2 ** (bits - 1)
    values = np.asarray(given)
    if values.shape != (2,):
        raise InputError(f"{where}: has shape {list(values.shape)}; it holds the least and the largest input")
    least, most = (whole_number(value, where, -limit, limit - 1) for value in values)
    if least > most:
        raise InputError(f"{where}: the least input, {least}, is above the largest, {most}")
    return least, most


def from_graph(graph: Graph) -> IntegerNetwork:
    """The integer network that a validated graph holds.

    Raises:
        InputError: the graph is not an integer one, a value in it is not an integer, or an Output reads no population.
    """
    if graph.info.stage != "integer":
        raise InputError(
            f"{graph.source}: is a float network; make an integer one of it with: inflor quantize {graph.source}"
        )
    fused = fuse(graph)
    input_bits, input_range = _read_input(graph)
    projections = tuple(read_projection(graph, q) for q in fused.projections)
    populations = tuple(
        read_population(graph, name, fused.bias[name], fused.groups.get(name, ())) for name in fused.populations
    )
    outputs = _read_outputs(graph, {p.name: p for p in populations})
    network = IntegerNetwork(
        populations,
        projections,
        outputs,
        graph.info,
        input_bits=input_bits,
        input_range=input_range,
        source=graph.source,
    )
    for projection in projections:
        check_width(network, projection)
    check_network(network)
    return network


def _read_outputs(graph: Graph, populations: Mapping[str, Population]) -> tuple[str, ...]:
    """The populations that the Outputs read."""
    found = tuple(dict.fromkeys(n for output in graph.outputs() for n in graph.predecessors(output)))
    for name in found:
        if name not in populations or populations[name].role == "input":
            raise InputError(
                f"{graph.source}: node {name!r} ({type(graph.nodes[name]).__name__}): leads to an Output, and in an "
                "integer network only populations do; put a neuron or a readout (I, LI) before the Output in the float "
                "network, and quantize it again"
            )
    return found
