from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inflor.converter.errors import InputError
from inflor.converter.nir.metadata import ModelInfo

finite = st.floats(-1e6, 1e6)
positive = st.floats(1e-6, 1e6)


@given(
    timesteps=st.integers(1, 1000),
    dt=positive,
    mean=st.lists(finite, min_size=3, max_size=3),
    std=st.lists(positive, min_size=3, max_size=3),
    names=st.lists(st.text(max_size=8), max_size=4),
)
def test_json_gives_back_the_same_info(timesteps, dt, mean, std, names):
    info = ModelInfo(timesteps, dt, "direct", tuple(mean), tuple(std), tuple(names), provenance={"a": [1, {"b": None}]})
    assert ModelInfo.from_json(info.to_json(), "x.nir") == info


def test_normalize_is_per_channel():
    x = np.arange(2 * 3 * 2 * 2, dtype=np.float64).reshape(2, 3, 2, 2)
    info = ModelInfo(input_mean=(1.0, 2.0, 3.0), input_std=(1.0, 2.0, 4.0))
    result = info.normalize(x)
    assert result.dtype == np.float32
    for channel in range(3):
        expected = (x[:, channel] - (1, 2, 3)[channel]) / (1, 2, 4)[channel]
        assert np.array_equal(result[:, channel], expected.astype(np.float32))
    assert np.array_equal(info.normalize(x.swapaxes(1, 2), channel_axis=2), result.swapaxes(1, 2))


def test_normalize_one_value_for_all_and_flat_features():
    x = np.array([[1.0, 2.0, 3.0]], np.float32)
    assert np.array_equal(ModelInfo(input_mean=(1.0,), input_std=(2.0,)).normalize(x), [[0.0, 0.5, 1.0]])
    assert np.array_equal(ModelInfo(input_mean=(1.0, 2.0, 3.0), input_std=(2.0,)).normalize(x), [[0.0, 0.0, 0.0]])


def test_normalize_refuses_other_channels():
    with pytest.raises(InputError, match=r"scales 3 channels.*\[5, 1, 8, 8\]"):
        ModelInfo(input_mean=(1.0, 2.0, 3.0)).normalize(np.zeros((5, 1, 8, 8)))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"timesteps": 0}, "timesteps is 0"),
        ({"timesteps": True}, "timesteps"),
        ({"timesteps": 2.5}, "timesteps"),
        ({"dt": 0.0}, "dt"),
        ({"dt": float("nan")}, "dt|NaN"),
        ({"dt": 10**400}, "dt|beyond what a whole number holds"),
        ({"input_std": (0.0,)}, "input_std"),
        ({"input_mean": ()}, "input_mean"),
        ({"input_mean": (float("inf"),)}, "input_mean|Infinity"),
        ({"input_mean": (0.0, 1.0), "input_std": (1.0, 1.0, 1.0)}, "2 values"),
        ({"stage": "half"}, "stage"),
        ({"class_names": (1, 2)}, "class_names"),
        ({"provenance": [1]}, "provenance"),
        ({"encoding": 3}, "encoding"),
    ],
)
def test_values_out_of_range_are_refused(values, message):
    with pytest.raises(InputError, match=message):
        ModelInfo(**values)
    text = json.dumps({"schema": 1} | values, default=list)
    with pytest.raises(InputError, match=rf"x\.nir: .*{message}"):
        ModelInfo.from_json(text, "x.nir")


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 5000, '{"schema": 2}', '{"timesteps": 4}', '"schema"'])
def test_damaged_json_is_refused_by_name(text):
    with pytest.raises(InputError, match=r"x\.nir: its inflor metadata"):
        ModelInfo.from_json(text, "x.nir")


def test_keys_of_later_versions_are_ignored():
    plain = json.loads(ModelInfo(timesteps=7).to_json()) | {"color": "blue"}
    assert ModelInfo.from_json(json.dumps(plain), "x.nir").timesteps == 7
