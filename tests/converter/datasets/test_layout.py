"""Which axis holds the channels: said, or what alone fits the network; and frames over time."""

import numpy as np
import pytest
from data_files import Y, npz, refused
from hypothesis import given
from hypothesis import strategies as st

from inflor.converter.datasets.layout import choose
from inflor.converter.datasets.load import load
from inflor.converter.errors import InputError


def archive(tmp_path, shape, name="a.npz"):
    """Twelve samples of a shape, every value another, and the array that they are."""
    x = np.arange(12 * np.prod(shape), dtype=np.float32).reshape(12, *shape)
    return npz(tmp_path / name, x_train=x, y_train=Y, x_test=x, y_test=Y), x


# --- without a network, for training ---


@pytest.mark.parametrize(
    "shape", [(16, 8, 3), (28, 28, 1), (32, 32, 3), (40, 101, 1), (3, 5, 3), (1, 9, 1), (5, 4, 6), (1, 1, 1)]
)
def test_images_that_could_be_either_are_refused_and_both_readings_are_named(tmp_path, shape):
    """[N, 16, 8, 3] was turned into 3 channels of 16x8 without a word, [N, 40, 101, 1] into 1 of 40x101."""
    path, x = archive(tmp_path, shape)
    a, b, c = shape
    message = refused("say which", path)
    assert message.startswith(
        f"{path}: samples of {a}x{b}x{c} are either {a} channels of {b}x{c} (`layout='chw'`) or "
        f"{c} channels of {a}x{b} (`layout='hwc'`)"
    )
    assert np.array_equal(load(path, layout="chw").x_train, x)
    turned = load(path, layout="hwc")
    assert turned.shape == (c, a, b)
    assert turned.x_train.flags.c_contiguous
    for row in range(a):
        for column in range(b):
            assert np.array_equal(turned.x_test[:, :, row, column], x[:, row, column, :])


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (2, 34, 34), (3, 5, 4)])
def test_channels_first_need_not_be_said(tmp_path, shape):
    path, x = archive(tmp_path, shape)
    assert np.array_equal(load(path).x_train, x)


@pytest.mark.parametrize("layout", ["auto", "chw", "hwc"])
def test_grey_images_and_vectors_have_no_axis_to_move(tmp_path, layout):
    path, x = archive(tmp_path, (6, 3))
    assert np.array_equal(load(path, layout=layout).x_train, x[:, None])
    path, x = archive(tmp_path, (6,))
    assert np.array_equal(load(path, layout=layout).x_train, x)


def test_what_is_no_layout_and_what_are_no_images(tmp_path):
    path, _ = archive(tmp_path, (2, 2, 2, 2))
    refused(r"samples of shape \(2, 2, 2, 2\)", path)
    refused("`layout` 'nchw': choose one of auto, chw, hwc", path, layout="nchw")


# --- for a network ---


@pytest.mark.parametrize("shape", [(1, 20), (3, 20), (20, 3), (2, 7, 3), (5, 7, 1), (2, 3), (1, 1), (1, 1, 1)])
def test_data_of_the_shape_that_the_network_takes_stay_as_they_are(tmp_path, shape):
    """Conv1d data were given a third axis, and images of width 1 or 3 were turned."""
    path, x = archive(tmp_path, shape)
    data = load(path, frame=shape)
    assert (data.shape, data.timesteps) == (shape, None)
    assert np.array_equal(data.x_train, x)


size = st.integers(1, 4)


@given(st.lists(size, min_size=1, max_size=4).map(tuple), st.lists(size, min_size=1, max_size=3).map(tuple))
def test_a_reading_is_chosen_where_it_alone_gives_what_the_network_takes(shape, frame):
    x = np.arange(2 * np.prod(shape)).reshape(2, *shape)
    possible = []  # every array of samples, or frames, of the network's shape that x can be read as
    for lead in (1, 2):
        if x.ndim > lead and x.shape[lead:] == frame:
            possible.append(x)
        if x.ndim == lead + 3 and (*x.shape[-1:], *x.shape[-3:-1]) == frame:
            possible.append(np.stack([x[..., channel] for channel in range(x.shape[-1])], axis=lead))
    if x.ndim == 3 and (1, *x.shape[1:]) == frame:
        possible.append(x[:, np.newaxis])
    if len(possible) == 2 and not np.array_equal(*possible):
        with pytest.raises(InputError, match="say which with `layout`"):
            choose(shape, "auto", frame, "a.npz")
        return
    reading = choose(shape, "auto", frame, "a.npz")
    got = reading.arrange(x)
    assert np.array_equal(got, possible[0] if possible else x)
    assert reading.over_time == (bool(possible) and got.ndim == len(frame) + 2)


def test_where_both_readings_fit_one_has_to_be_said(tmp_path):
    path, x = archive(tmp_path, (3, 3, 3))
    refused("either 3 channels of 3x3 .* or 3 channels of 3x3 .*; say which with `layout`", path, frame=(3, 3, 3))
    assert np.array_equal(load(path, frame=(3, 3, 3), layout="chw").x_train, x)
    assert np.array_equal(load(path, frame=(3, 3, 3), layout="hwc").x_train, np.moveaxis(x, 3, 1))


def test_a_layout_that_is_said_is_kept_where_it_does_not_fit(tmp_path):
    path, _ = archive(tmp_path, (8, 6, 3))
    assert load(path, frame=(3, 8, 6)).shape == (3, 8, 6)
    assert load(path, frame=(3, 8, 6), layout="chw").shape == (8, 6, 3)  # which the caller refuses
    assert load(path, frame=(8, 6, 3), layout="hwc").shape == (3, 8, 6)


# --- frames over time ---


def test_frames_with_channels_last_are_turned_where_only_that_fits(tmp_path):
    path, x = archive(tmp_path, (5, 4, 6, 2))
    data = load(path, frame=(2, 4, 6))
    assert (data.shape, data.timesteps) == ((2, 4, 6), 5)
    for step in range(5):
        assert np.array_equal(data.x_train[:, step], np.moveaxis(x[:, step], 3, 1))
    path, x = archive(tmp_path, (5, 2, 2, 2))
    refused("say which", path, frame=(2, 2, 2))
    assert np.array_equal(load(path, frame=(2, 2, 2), layout="chw").x_train, x)


def test_frames_are_what_the_network_takes_at_a_step(tmp_path):
    x = np.random.default_rng(0).integers(0, 4, (20, 6, 5), np.uint8)
    np.savez(tmp_path / "a.npz", x=x, y=np.arange(20) % 2)
    frames, images = (load(tmp_path / "a.npz", frame=frame) for frame in ((5,), None))
    assert (frames.timesteps, frames.shape, frames.mean, frames.std) == (6, (5,), (0.0,), (1.0,))
    assert (images.timesteps, images.shape) == (None, (1, 6, 5))
    assert frames.x_train.shape == (16, 6, 5)
    # Bytes are counts in frames, and grey values in images.
    assert frames.x_train.max() == 3
    assert np.allclose(images.x_train[:, 0] * 255, frames.x_train)
    assert load(tmp_path / "a.npz", frame=(6, 5)).timesteps is None
    for part in ("train", "test"):
        assert np.array_equal(frames.split(part)[1], images.split(part)[1])


@pytest.mark.parametrize("shape", [(4, 3), (2, 4, 3), (2, 1, 4, 3)])
def test_frames_of_any_shape(tmp_path, shape):
    """Also those whose last dimension would be the colors of an image."""
    x = np.random.default_rng(0).normal(size=(10, 7, *shape))
    np.savez(tmp_path / "a.npz", x_train=x, y_train=np.arange(10) % 2, x_test=x[:4], y_test=np.arange(4) % 2)
    frames = load(tmp_path / "a.npz", frame=shape)
    assert (frames.timesteps, frames.shape) == (7, shape)
    assert np.array_equal(frames.x_train, x.astype(np.float32))


def test_frames_that_do_not_match(tmp_path):
    x = np.zeros((10, 7, 5))
    np.savez(tmp_path / "a.npz", x_train=x, y_train=np.arange(10) % 2, x_test=x[:, :6], y_test=np.arange(10) % 2)
    with pytest.raises(InputError, match=r"a\.npz: train samples are \(7, 5\), test samples \(6, 5\)"):
        load(tmp_path / "a.npz", frame=(5,))
    x[3, 2, 1] = np.nan
    np.savez(tmp_path / "b.npz", x=x, y=np.arange(10) % 2)
    with pytest.raises(InputError, match="not finite"):
        load(tmp_path / "b.npz", frame=(5,))
