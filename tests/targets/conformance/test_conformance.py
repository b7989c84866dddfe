"""The suite passes our targets and the teaching one, and fails on every fault that is planted in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import toy

from inflor.converter.errors import InputError
from inflor.quant.ir.features import Feature
from inflor.targets import registry, running
from inflor.targets.api import Target
from inflor.targets.conformance import CHECKS, Check, Failure, suite
from inflor.targets.conformance.__main__ import main
from inflor.targets.conformance.networks import networks
from inflor.targets.conformance.spikes import computes_what_the_specification_says, records_every_sample

NAMES = [test.__name__ for test in CHECKS]
Plant = Callable[[pytest.MonkeyPatch, ModuleType], Target | None]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ModuleType]:
    """The module that does the work of the toy, which is installed."""
    _, made = toy.install(monkeypatch, tmp_path)
    yield made
    toy.forget()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("target", ["cpu", "spinnaker"])
def test_our_targets_conform(target: str, name: str) -> None:
    (check,) = (check for check in suite(registry.load(target)) if check.test.__name__ == name)
    assert check()


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_loihi_conforms(name: str) -> None:
    if command := registry.find("loihi").available():
        pytest.skip(f"Lava is not installed: {command}")
    (check,) = (check for check in suite(registry.load("loihi")) if check.test.__name__ == name)
    assert check()


def test_the_toy_conforms(machine: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["toy"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(CHECKS)
    assert all(line.startswith("ok ") for line in lines)
    assert int(lines[1].partition("says: ")[2].partition(" of 33 networks")[0]) >= 10


# Faults: each is planted in the toy and returns the target where it is another one.


def a_weight_is_changed(monkeypatch: pytest.MonkeyPatch, machine: ModuleType) -> None:
    true = machine.unrolled

    def changed(operators, shape):
        matrix = true(operators, shape)
        matrix.data[len(matrix.data) // 2] += 1
        return matrix

    monkeypatch.setattr(machine, "unrolled", changed)


def a_threshold_is_off_by_one(monkeypatch: pytest.MonkeyPatch, machine: ModuleType) -> None:
    true = machine.step
    monkeypatch.setattr(machine, "step", lambda p, v, a: true(p.with_rule(threshold=p.rule.threshold + 1), v, a))


def a_delay_is_ignored(monkeypatch: pytest.MonkeyPatch, machine: ModuleType) -> None:
    true = machine.place

    def place(network, options, rates):
        prompt = tuple(replace(q, delay=int(network.is_recurrent(q))) for q in network.projections)
        return true(replace(network, projections=prompt), options, rates)

    monkeypatch.setattr(machine, "place", place)


def a_bias_is_dropped(monkeypatch: pytest.MonkeyPatch, machine: ModuleType) -> None:
    true = machine.step
    monkeypatch.setattr(machine, "step", lambda p, v, a: true(p.with_rule(bias=np.zeros((), np.int64)), v, a))


def a_sample_is_lost(monkeypatch: pytest.MonkeyPatch, machine: ModuleType) -> None:
    true = machine.run

    def run(plan, inputs, recorder, progress):
        return true(plan, inputs[: max(1, len(inputs) - 1)], recorder, progress)

    monkeypatch.setattr(machine, "run", run)


def a_sample_is_recorded_twice(monkeypatch: pytest.MonkeyPatch, machine: ModuleType) -> None:
    true = machine.run

    def run(plan, inputs, recorder, progress):
        return true(plan, inputs[[*range(len(inputs) - 1), max(0, len(inputs) - 2)]], recorder, progress)

    monkeypatch.setattr(machine, "run", run)


def a_feature_is_accepted_silently(monkeypatch: pytest.MonkeyPatch, machine: ModuleType) -> Target:
    target = registry.load("toy")
    return replace(target, features=target.features | {Feature.REFRACTORY})


def progress_is_not_reported(monkeypatch: pytest.MonkeyPatch, machine: ModuleType) -> None:
    true = machine.run
    monkeypatch.setattr(machine, "run", lambda plan, inputs, recorder, progress: true(plan, inputs, recorder, None))


def a_limit_is_said_and_not_kept(monkeypatch: pytest.MonkeyPatch, machine: ModuleType) -> Target:
    fatal = machine.Violation("n1", "neurons", 8, 1, "take fewer")
    return replace(registry.load("toy"), violations=lambda network, options: [fatal])


def a_run_changes_the_plan(monkeypatch: pytest.MonkeyPatch, machine: ModuleType) -> None:
    true, runs = machine.run, []
    monkeypatch.setattr(machine.ToyPlan, "summary", lambda plan: {"runs": len(runs)})
    monkeypatch.setattr(machine, "run", lambda *given: (runs.append(1), true(*given))[1])


def a_neuron_is_on_no_core(monkeypatch: pytest.MonkeyPatch, machine: ModuleType) -> Target:
    target = registry.load("toy")

    def core_map(network, chip, rates):
        made = target.core_map(network, chip, rates)
        return replace(made, cores={name: core[1:] for name, core in made.cores.items()})

    return replace(target, core_map=core_map)


def a_figure_has_no_source(monkeypatch: pytest.MonkeyPatch, machine: ModuleType) -> Target:
    target = registry.load("toy")

    def model(case):
        made = machine.energy(case)
        return replace(made, terms=tuple(replace(term, source="") for term in made.terms))

    return replace(target, chips={"toy1": replace(target.chips["toy1"], models=(model,))})


def an_export_writes_nothing(monkeypatch: pytest.MonkeyPatch, machine: ModuleType) -> Target:
    export = SimpleNamespace(suffix=".toy", write=lambda network, path: (), beside=lambda path: ())
    return replace(registry.load("toy"), exports={"toy": export})


def it_always_refuses(monkeypatch: pytest.MonkeyPatch, machine: ModuleType) -> None:
    def place(network, options, rates):
        raise InputError("too large")

    monkeypatch.setattr(machine, "place", place)


@pytest.mark.parametrize(
    ("plant", "found_by", "says"),
    [
        (
            a_weight_is_changed,
            "computes_what",
            r"networks are wrong: network 0 .*first differs in sample 0, step",
        ),
        (a_threshold_is_off_by_one, "computes_what", r"its spike is 0, and 1 is due"),
        (a_delay_is_ignored, "computes_what", r"of \d+ networks are wrong: network 14 \(delays\)"),
        (a_bias_is_dropped, "computes_what", r"of \d+ networks are wrong: network 5 \(biases\)"),
        (a_sample_is_lost, "computes_what", "recorded 2 of 3 samples"),
        (a_sample_is_recorded_twice, "computes_what", "differs in sample 2"),
        (a_feature_is_accepted_silently, "computes_what", r"networks are wrong: network 12 \(refractory steps\)"),
        (progress_is_not_reported, "records_every_sample", r"must end with \(1, 1\): got \[\]"),
        (a_limit_is_said_and_not_kept, "names_the_limits", "is placed, and is said to break a limit"),
        (a_run_changes_the_plan, "leaves_its_plan", "a run changes what the plan says"),
        (a_neuron_is_on_no_core, "places_every_neuron", r"\(7,\) cores for the 8 neurons of 'n1'"),
        (a_figure_has_no_source, "prices_its_chips", "the figure of 'synaptic events' lacks a source"),
        (an_export_writes_nothing, "writes_its_exports", "export 'toy' wrote no network.toy"),
        (it_always_refuses, "computes_what", "nothing was compared.*too large"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_planted_fault_is_found(
    monkeypatch: pytest.MonkeyPatch, machine: ModuleType, plant: Plant, found_by: str, says: str
) -> None:
    target = plant(monkeypatch, machine) or registry.load("toy")
    (check,) = (check for check in suite(target) if check.test.__name__.startswith(found_by))
    with pytest.raises(Failure, match=says):
        check()


def test_a_lost_sample_is_missed_in_runs_of_any_number(monkeypatch: pytest.MonkeyPatch, machine: ModuleType) -> None:
    a_sample_is_lost(monkeypatch, machine)
    with pytest.raises(Failure, match="recorded 2 of 3 samples"):
        records_every_sample(registry.load("toy"))


def test_a_failed_check_ends_in_1_and_names_itself(
    monkeypatch: pytest.MonkeyPatch, machine: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    a_bias_is_dropped(monkeypatch, machine)
    assert main(["toy"]) == 1
    failed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("FAILED")]
    assert len(failed) == 1
    assert failed[0].startswith("FAILED  computes what the specification says: ")
    assert main(["abacus"]) == 2
    assert "unknown target 'abacus'" in capsys.readouterr().err


def test_a_crash_is_a_failure_in_words(machine: ModuleType) -> None:
    def crash(network, options, rates):
        raise ZeroDivisionError("no cores")

    target = replace(registry.load("toy"), place=crash)
    with pytest.raises(Failure, match="placing it ended in ZeroDivisionError: no cores"):
        Check(target, computes_what_the_specification_says)()


def test_a_declared_feature_must_be_run(machine: ModuleType) -> None:
    target = registry.load("toy")

    def place(network, options, rates):
        if Feature.DELAY in network.features():
            raise InputError("no delays today")
        return target.place(network, options, rates)

    with pytest.raises(Failure, match="it declares delays, and refuses every network with that: no delays today"):
        computes_what_the_specification_says(replace(target, place=place))


def test_placing_refuses_by_name_what_a_target_lacks() -> None:
    cpu = registry.load("cpu")
    target = replace(cpu, features=cpu.features - {Feature.DELAY, Feature.RECURRENT})
    network = next(n for n in networks() if {Feature.DELAY, Feature.RECURRENT} <= n.features())
    with pytest.raises(InputError, match=r"to target 'cpu': .* delays needed.* recurrent projections needed"):
        running.place(target, network)
