"""What a Delay gives before the sample's first step is so many steps old."""

from __future__ import annotations

import nir
import numpy as np
from primitive_examples import graph_of

from inflor.converter.simulate.execute import run

STEPS = np.array([0, 1, 2, 3, 50])


def test_it_gives_nothing_before_the_sample():
    """A positive zero, also in the place of a negative number, which times 0 would be a negative one."""
    x = -np.ones((4, 1, len(STEPS)), np.float32)
    given = run(graph_of(nir.Delay(STEPS.astype(float)), (len(STEPS),), dt=1.0), x, 4).outputs["output"][:, 0].numpy()
    expected = np.zeros((4, len(STEPS)), np.float32)
    for neuron, steps in enumerate(STEPS):
        expected[steps:, neuron] = -1
    assert np.array_equal(given.view(np.int32), expected.view(np.int32))
