"""Any graph, however odd its fields, metadata and edges, by any convention: it runs, or one message says why not."""

from __future__ import annotations

import itertools
import random
import warnings

import nir
import numpy as np
import pytest
import torch

from inflor.converter.errors import InputError
from inflor.converter.nir.frameworks import FRAMEWORKS
from inflor.converter.passes.conventions import Conventions
from inflor.converter.passes.pipelines import validate_by
from inflor.converter.primitives.base import PRIMITIVES
from inflor.converter.simulate.execute import run

N = 3
ODD = (
    *(np.ones(N), np.ones(1), np.array(0.5), np.full(N, 20.0), np.zeros(N), -np.ones(N), np.ones((N, N)), np.ones(0)),
    *(
        np.array([1, np.inf, 1.0]),
        np.full(N, np.inf),
        np.array([1, np.nan, 1.0]),
        np.full(N, 1e300),
        np.full(N, 1e-300),
    ),
    *(np.array(["a"] * N), None, 3, 2.5),
)
METADATA = (
    *({}, {}, {}, {"reset": "subtract"}, {"reset": 1}, {"reset": "subtract", "reset_value": np.ones(7)}),
    *({"refractory": True}, {"late_current": 1}, {"threshold": np.ones(N)}, {"threshold": "high"}),
)


def node(rng: random.Random, depth: int) -> nir.NIRNode:
    kind = rng.choice([*PRIMITIVES, nir.LIF, nir.CubaLIF, nir.NIRGraph])
    if kind is nir.NIRGraph:
        return graph(rng, depth + 1) if depth < 3 else nir.IF(np.ones(N), np.ones(N))
    made = object.__new__(kind)
    made.metadata = rng.choice(METADATA)
    for field in PRIMITIVES[kind].fields:
        usual = {"weight": np.eye(N), "input_type": {"input": np.array([N])}, "output_type": {"output": None}}
        value = usual.get(field, np.full(N, rng.choice([1.0, 2.0, 20.0, 1e-3])))
        odd = {"input_type": {"input": np.array([1, N])}}.get(field, rng.choice(ODD))
        setattr(made, field, odd if rng.random() < 0.1 and field != "output_type" else value)
    return made


def graph(rng: random.Random, depth: int = 0) -> nir.NIRGraph:
    made = object.__new__(nir.NIRGraph)
    names = [f"n{i}" for i in range(rng.randint(1, 4))]
    made.nodes = {name: node(rng, depth) for name in names}
    if rng.random() < 0.9:
        made.nodes["input"] = nir.Input(np.array([N]))
    if rng.random() < 0.9:
        made.nodes["output"] = nir.Output(None)
    chain = [name for name in ("input", *names, "output") if name in made.nodes]
    ends = [*made.nodes, *(["n0.n0"] if rng.random() < 0.1 else [])]
    more = {(rng.choice(ends), rng.choice(ends)) for _ in range(rng.randint(0, 2))}
    made.edges = [*itertools.pairwise(chain), *more.difference(itertools.pairwise(chain))]
    made.metadata = rng.choice([{}, {}, {}, {}, {"inflor": "{"}, None])
    return made


@pytest.mark.parametrize("seed", range(4))
def test_any_graph(seed):
    rng = random.Random(seed)
    ran, framework, messages = 0, [None, None, *FRAMEWORKS], []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(200):
            conventions = Conventions(framework=rng.choice(framework), dt=rng.choice([None, 1.0, 1e-4]))
            try:
                read = validate_by(graph(rng), "x.nir", conventions)
                x = {name: torch.ones(1, *read.output_shapes[name]) for name in read.inputs()}
                result = run(read, x, 3)
            except InputError as error:
                messages.append(str(error))
                continue
            ran += 1
            assert all(torch.isfinite(output).all() for output in result.outputs.values())
    assert ran > 3
    assert [text for text in messages if "\n" in text or len(text) > 600] == []
