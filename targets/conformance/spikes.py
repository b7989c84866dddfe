"""Checks of what a target computes and records."""

from __future__ import annotations

from inflor.converter.errors import InputError
from inflor.targets import running
from inflor.targets.api import Target
from inflor.targets.conformance.examples import Failure, difference, example, examples, placed, recorded, taken
from inflor.targets.conformance.networks import needed_by, networks, with_two_inputs
from inflor.targets.record.file import recorded_populations
from inflor.targets.record.recorder import recording

BATCHES = (1, 3, 7)
"""Samples of a run: one, several, and a number that no batch divides."""


def computes_what_the_specification_says(target: Target) -> str:
    """Every spike and every potential of a readout is that of `inflor.quant.ir.reference`."""
    compared, values, refusals, wrong = 0, 0, [], []
    untested = target.features & needed_by(networks())
    for one in examples():
        if one.network.features() - target.features:
            continue
        plan = placed(target, one.network)
        if isinstance(plan, str):
            refusals.append(plan)
            continue
        due = {(p.name, p.shape, p.kind) for p in recorded_populations(one.network)}
        promised = {(p.name, p.shape, p.kind) for p in plan.populations}
        if promised - due or not {name for name, *_ in promised} >= set(one.network.outputs):
            raise Failure(f"{one.network.source}: its plan records {sorted(promised)}, but there are {sorted(due)}")
        found = difference(one, recorded(target, plan, one))
        wrong += [found] if found else []
        compared, untested = compared + 1, untested - one.network.features()
        values += sum(one.due(name).size for name, *_ in promised)
    if wrong:
        raise Failure(f"{len(wrong)} of {compared} networks are wrong: " + "; ".join(wrong))
    if not compared:
        raise Failure(f"nothing was compared: it takes none of {len(examples())} networks; " + "; ".join(refusals[-1:]))
    if untested:
        names = ", ".join(sorted(feature.value for feature in untested))
        raise Failure(f"it declares {names}, and refuses every network with that: {'; '.join(refusals)}")
    lacking = len(examples()) - compared - len(refusals)
    limits = f", {len(refusals)} break its limits" if refusals else ""
    return f"{compared} of {len(examples())} networks, {values} values; {lacking} need what it lacks{limits}"


def refuses_what_it_lacks(target: Target) -> str:
    """A network that needs a feature which the target does not declare is refused by the name of the feature."""
    known = (*networks(), with_two_inputs())
    lacking = sorted(needed_by(known) - target.features)
    for feature in lacking:
        network = next(n for n in known if feature in n.features())
        try:
            running.place(target, network)
        except InputError as error:
            if feature.value not in str(error):
                raise Failure(f"a network with {feature.value} is refused without a word of that: {error}") from error
        else:
            raise Failure(f"it does not declare {feature.value}, and takes a network with that: {network.source}")
    return f"{len(lacking)} features" if lacking else "it declares every feature"


def records_every_sample(target: Target) -> str:
    """Runs of 1, 3 and 7 samples record all of them, in their order, and report progress up to the end."""
    one, plan = next(taken(target))
    whole = example(one.network, max(BATCHES))
    for samples in BATCHES:
        part, seen = whole.first(samples), list[tuple[int, int]]()

        def watch(done: int, total: int, seen: list[tuple[int, int]] = seen) -> None:
            seen.append((done, total))

        record = recorded(target, plan, part, watch)
        if found := difference(part, record):
            raise Failure(f"of a run of {samples} samples: {found}")
        if seen != sorted(seen) or seen[-1:] != [(samples, samples)] or {total for _, total in seen} != {samples}:
            raise Failure(f"of a run of {samples} samples, `progress` must end with {(samples, samples)}: got {seen}")
        with recording(plan.populations, part.network.info.timesteps, samples, keep_spikes=False) as recorder:
            target.run(plan, part.inputs, recorder, None)
            counted = recorder.finish(None, {})
        if any((counted.counts[name] != counts).any() for name, counts in record.counts.items()):
            raise Failure(f"a run of {samples} samples counts other spikes where they are not kept")
    return f"runs of {', '.join(map(str, BATCHES))} samples"
