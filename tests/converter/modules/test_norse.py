"""Live modules of Norse, imported: every spike of every neuron against Norse's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from drawn_values import values
from torch import Tensor, nn
from torch_modules import assert_same

from inflor.converter.errors import InputError
from inflor.converter.modules.importing import to_graph

norse = pytest.importorskip("norse.torch")
from norse.torch.functional.iaf import IAFParameters  # noqa: E402
from norse.torch.functional.leaky_integrator import LIParameters  # noqa: E402
from norse.torch.functional.lif import LIFParameters  # noqa: E402
from norse.torch.functional.lif_box import LIFBoxParameters  # noqa: E402
from norse.torch.functional.reset import reset_subtract  # noqa: E402

WIDTH, STEPS = 30, 12


def _lif(**more: Any) -> Any:
    given = {"tau_mem_inv": 150.0, "tau_syn_inv": 300.0, "v_th": 0.25, **more}
    return LIFParameters(**{name: torch.as_tensor(value) for name, value in given.items()})


def _each(low: float, high: float, seed: int) -> Tensor:
    return values(WIDTH, low=low, high=high, seed=seed)


EACH: dict[str, Any] = {
    "tau_mem_inv": _each(80, 700, 1),
    "tau_syn_inv": _each(100, 900, 2),
    "v_th": _each(0.2, 0.4, 3),
    "v_leak": _each(-0.1, 0.15, 4),
    "v_reset": _each(-0.3, 0.1, 5),
}


def _box(**more: Any) -> Any:
    given = {"tau_mem_inv": torch.tensor(210.0), "v_th": torch.tensor(0.3), **more}
    return LIFBoxParameters(**given)


CELLS: dict[str, Callable[[], Any]] = {
    "LIF": lambda: norse.LIFCell(_lif()),
    "LIF, each its own": lambda: norse.LIFCell(_lif(**EACH)),
    "LIF, from a leak potential": lambda: norse.LIFCell(_lif(v_leak=0.12, v_reset=-0.1)),
    "LIF, another step": lambda: norse.LIFCell(_lif(), dt=0.0017),
    "LIF, not leaking": lambda: norse.LIFCell(_lif(tau_mem_inv=1000.0, v_th=0.6)),
    "LIFBox": lambda: norse.LIFBoxCell(_box()),
    "LIFBox, soft": lambda: norse.LIFBoxCell(_box(reset_method=reset_subtract, v_leak=torch.tensor(0.1))),
    "LIFBox, to -0.2": lambda: norse.LIFBoxCell(_box(v_reset=torch.tensor(-0.2), v_leak=torch.tensor(0.1))),
    "IAF": lambda: norse.IAFCell(IAFParameters(v_th=torch.tensor(1.1))),
    "IAF, each its own": lambda: norse.IAFCell(IAFParameters(v_th=_each(0.8, 1.5, 1), v_reset=_each(-0.3, 0.3, 2))),
}


def _layers(*parts: nn.Module) -> Any:
    torch.manual_seed(0)
    net = norse.SequentialState(nn.Linear(20, WIDTH), parts[0], nn.Linear(WIDTH, WIDTH, bias=False), *parts[1:])
    with torch.no_grad():
        net[2].weight.mul_(4)
    return net


@pytest.mark.parametrize("name", CELLS)
def test_cells_spike_for_spike(name: str) -> None:
    made = assert_same(_layers(CELLS[name](), CELLS[name]()), (20,), STEPS)
    assert made.time == "step"


MULTI: dict[str, Callable[[], Any]] = {
    "LIF": lambda: norse.LIF(_lif(v_leak=0.12, v_reset=-0.1)),
    "IAF": lambda: norse.IAF(IAFParameters(v_th=torch.tensor(1.1), v_reset=torch.tensor(-0.2))),
    "lifted LIFBox": lambda: norse.Lift(norse.LIFBoxCell(_box())),
}


@pytest.mark.parametrize("name", MULTI)
def test_multi_step_modules_spike_for_spike(name: str) -> None:
    torch.manual_seed(0)
    net = norse.SequentialState(
        norse.Lift(nn.Linear(20, WIDTH)), MULTI[name](), norse.Lift(nn.Linear(WIDTH, 5)), norse.LI()
    )
    made = assert_same(net, (20,), STEPS)
    assert (made.time, list(made.readouts)) == ("first", ["3"])


@pytest.mark.parametrize("autapses", [False, True])
def test_recurrent_neurons_spike_for_spike(autapses: bool) -> None:
    torch.manual_seed(0)
    cell = norse.LIFRecurrentCell(20, WIDTH, _lif(v_th=0.6, v_leak=0.1), autapses=autapses)
    out = norse.LILinearCell(WIDTH, 5)
    made = assert_same(norse.SequentialState(cell, out), (20,), STEPS)
    assert [name for name in made.graph.nodes if "recurrent" in name] == ["0.recurrent"]
    assert list(made.readouts) == ["1"]
    every = norse.LIFRecurrent(20, WIDTH, _lif(v_th=0.6), autapses=autapses)
    assert_same(norse.SequentialState(every), (20,), STEPS)


def test_a_potential_at_the_threshold_does_not_fire() -> None:
    from inflor.converter.simulate.execute import run

    net = norse.SequentialState(nn.Linear(1, 1, bias=False), norse.IAFCell(IAFParameters(v_th=torch.tensor(0.5))))
    with torch.no_grad():
        net[0].weight.fill_(0.25)
    (spikes,) = run(to_graph(net, (1,), 6).graph, torch.ones(6, 1, 1), 6).spikes.values()
    assert spikes.flatten().tolist() == [False, False, True, False, False, True]


class Conv(nn.Module):
    """A loop over steps with explicit states, as Norse's ConvNet4 has it."""

    def __init__(self, cell: Callable[[], Any]) -> None:
        super().__init__()
        self.conv, self.lif0 = nn.Conv2d(1, 6, 3), cell()
        self.fc, self.lif1 = nn.Linear(54, 20), cell()
        self.out = norse.LILinearCell(20, 10, LIParameters(tau_mem_inv=torch.tensor(120.0)))

    def forward(self, x: Tensor) -> Tensor:
        s0 = s1 = so = None
        voltages = torch.zeros(x.shape[0], x.shape[1], 10)
        for step in range(x.shape[0]):
            z, s0 = self.lif0(self.conv(x[step, :]), s0)
            z = nn.functional.max_pool2d(z, 2, 2)
            z, s1 = self.lif1(10 * self.fc(z.view(-1, 54)), s1)
            v, so = self.out(nn.functional.relu(z), so)
            voltages[step, :, :] = v
        return voltages


@pytest.mark.parametrize("leak", [0.0, 0.1])
def test_explicit_states_in_a_loop(leak: float) -> None:
    torch.manual_seed(0)
    made = assert_same(Conv(lambda: norse.LIFCell(_lif(v_leak=leak))), (1, 8, 8), STEPS)
    assert (made.time, list(made.readouts)) == ("first", ["out"])


class Begun(nn.Module):
    """Begins with what the cell says is its state before a sample."""

    def __init__(self, cell: Any) -> None:
        super().__init__()
        self.fc, self.lif = nn.Linear(20, WIDTH), cell

    def forward(self, x: Tensor) -> Tensor:
        state, out = self.lif.initial_state(self.fc(x[0])), []
        for step in range(x.shape[0]):
            z, state = self.lif(self.fc(x[step]), state)
            out.append(z)
        return torch.stack(out)


@pytest.mark.parametrize("leak", [0.0, 0.1])
def test_states_before_a_sample_are_known(leak: float) -> None:
    torch.manual_seed(0)
    p = _lif(v_leak=leak, v_reset=-0.1)
    for cell in (
        norse.LIFCell(p),
        norse.LIFRecurrentCell(WIDTH, WIDTH, p),
        norse.LIFBoxCell(_box(v_leak=torch.tensor(leak))),
    ):
        assert_same(Begun(cell), (20,), STEPS)


@pytest.mark.parametrize("v", [torch.tensor(0.1), torch.full((WIDTH,), 0.1)], ids=["one", "each"])
def test_another_potential_before_a_sample_is_refused(v: Tensor) -> None:
    net = Begun(norse.LIFCell(_lif()))
    net.lif.initial_state = lambda x: norse.LIFFeedForwardState(v=v, i=torch.zeros_like(x))
    with pytest.raises(InputError, match="starts from a state that is not 0"):
        to_graph(net, (20,), STEPS)


def test_outputs_that_are_led_back() -> None:
    torch.manual_seed(0)
    assert_same(norse.RecurrentSequential(nn.Linear(20, 20), norse.LIFCell(_lif())), (20,), STEPS)


class Dropped(nn.Module):
    """Forgets the state in the middle."""

    def __init__(self) -> None:
        super().__init__()
        self.lif, self.fc = norse.LIFCell(_lif()), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        state, out = None, []
        for step in range(STEPS):
            z, state = self.lif(self.fc(x), None if step == 5 else state)
            out.append(z)
        return torch.stack(out)


def test_a_state_that_is_not_handed_on_is_refused() -> None:
    with pytest.raises(InputError, match=r"lif.*starts anew after 5 steps"):
        to_graph(Dropped(), (4,), STEPS)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: norse.LSNNCell(), "LSNNCell.*adapt"),
        (lambda: norse.LIFAdExCell(), "LIFAdExCell.*linear"),
        (lambda: norse.LIFExCell(), "LIFExCell.*linear"),
        (lambda: norse.LIFRefracCell(), "LIFRefracCell.*silent"),
        (lambda: norse.LIFCell(_lif(tau_mem_inv=1500.0)), r"dt \* tau_mem_inv is 1.5"),
        (lambda: norse.LIFBoxCell(_box(reset_method=lambda z, v, r, t: v)), "reset_method <lambda> has no form"),
        (lambda: norse.LICell(LIParameters(v_leak=torch.tensor(0.3))), "v_leak, which is not 0"),
    ],
)
def test_what_has_no_form_is_named(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(InputError, match=f"(?s)1.*{message}"):
        to_graph(norse.SequentialState(nn.Linear(4, 4), make()), (4,), 4)
