"""What each picture shows, in words: for those who cannot see it, and for those in a hurry."""

from __future__ import annotations

from collections.abc import Sequence

from inflor.page.contents import Accuracy, Chip, Costs, Potentials, Report, Row, Timeline, Verdict
from inflor.page.words import count, listed, percent, plural, quantity

MOST_SHOWN = 6
"""Populations whose potentials are drawn."""


def accuracy(found: Accuracy) -> str:
    if found.integer is None:
        return "The record has no labels, so its accuracy is unknown."
    text = f"The integer network is right on {percent(found.integer)} of {plural(found.samples, 'sample')}"
    if found.float_ is None:
        return f"{text}. {found.why}"
    points = 100 * (found.integer - found.float_)
    change = (
        "exactly as often as" if points == 0 else f"{abs(points):.2f} points {'more' if points > 0 else 'less'} than"
    )
    if found.float_samples != found.samples:
        return f"{text}; the float network on {percent(found.float_)} of {plural(found.float_samples, 'sample')}."
    text += f", {change} the float network ({percent(found.float_)})"
    return f"{text}. Both make the same prediction for {percent(found.agreement)}."


def verdict(found: Verdict) -> str:
    compared = f"{count(found.compared)} spikes and silences of {plural(found.samples, 'sample')}"
    left_out = f" Not compared: {listed(found.not_compared)}." if found.not_compared else ""
    left_out += "".join(f" {note[:1].upper()}{note[1:]}." for note in found.notes)
    if found.equal:
        return f"{listed(found.targets)} fire the same spikes: {compared} compared, none different.{left_out}"
    text = f"{listed(found.targets)} differ in {count(found.mismatches)} of {compared} compared.{left_out}"
    if found.first is None:
        return text
    where = ", ".join(map(str, found.first["neuron"]))
    return (
        f"{text} First in causal order: population {found.first['population']}, neuron ({where}), "
        f"step {found.first['timestep']}, sample {found.first['sample']}."
    )


def rates(populations: Sequence[Row]) -> str:
    firing = [p for p in populations if p["rate"] is not None]
    if not firing:
        return "No population fires."
    most, least = max(firing, key=lambda p: p["rate"]), min(firing, key=lambda p: p["rate"])
    if not most["rate"]:
        return "No neuron fires in any sample." + (
            " In float some do." if any(p.get("rate_float") for p in firing) else ""
        )
    text = f"{most['name']} fires most often, in {percent(most['rate'])} of its neuron-steps"
    if most is not least:
        text += f", {least['name']} least, in {percent(least['rate'])}"
    if any("rate_float" in p for p in firing):
        odd = max(firing, key=lambda p: abs(p["rate"] - p.get("rate_float", p["rate"])))
        gap = abs(odd["rate"] - odd.get("rate_float", odd["rate"]))
        text += f". Rounding moved no rate by more than {100 * gap:.2f} points"
    return text + "."


def differences(populations: Sequence[Row], samples: int) -> str:
    found = [p for p in populations if p.get("differ") is not None]
    if not found:
        return ""
    worst = max(found, key=lambda p: p["differ"])
    if worst["differ"] == 0:
        return f"Over {plural(samples, 'sample')}, every spike is the float network's."
    return (
        f"Over {plural(samples, 'sample')}, the spikes differ most from the float network's in {worst['name']}: "
        f"{percent(worst['differ'])} of its neuron-steps."
    )


def snr(populations: Sequence[Row]) -> str:
    found = [p for p in populations if p["snr"] is not None]
    worst = min(found, key=lambda p: p["snr"])
    return f"Rounding disturbs the weights into {worst['name']} most: its noise is {worst['snr']:.1f} dB below them."


def potentials(found: Potentials) -> str:
    drawn = shown(found)
    text = f"Membrane potentials before the reset, over {plural(found.samples, 'sample')}. "
    if any(row["rectified"] for row in found.rows):
        text += "The rectifier moves them away from the threshold, to 0 and 2 thresholds, and none across it. "
    worst = max(found.rows, key=lambda row: row["error"], default=None)
    if worst is not None:
        text += (
            f"Integers move a potential by {worst['error']:.3f} thresholds (root mean square) at most, "
            f"in {worst['name']}, where {percent(worst['same'])} of the spikes stay the same. "
        )
    beyond = max((row["beyond"] for row in found.rows), default=0.0)
    if beyond:
        text += f"Up to {percent(beyond, 0)} lie beyond the axis. "
    if len(drawn) < len(found.rows):
        text += f"{len(drawn)} of {len(found.rows)} populations are drawn; the table above has all."
    return text.strip()


def shown(found: Potentials) -> list[Row]:
    """The populations that are drawn: all, or some evenly spaced in depth."""
    most = len(found.rows)
    if most <= MOST_SHOWN:
        return list(found.rows)
    return [found.rows[round(i * (most - 1) / (MOST_SHOWN - 1))] for i in range(MOST_SHOWN)]


def energy(costs: Costs) -> str:
    known = [h for h in costs.hardware if h["energy"]]
    if not known:
        return "Of the hardware asked for, no energy is published."
    chips = sorted((h for h in known if not h["reference"]), key=lambda h: h["energy"])
    parts = []
    if chips:
        ends = [f"{quantity(h['energy'], 'J')} ({h['title']})" for h in (chips[0], chips[-1])]
        parts.append(f"By the models of chips an inference takes {ends[0] if chips[1:] == [] else ' to '.join(ends)}")
    parts += [_against_ann(known)] if _against_ann(known) else []
    without = [f"{h['title']} ({h['absent']})" for h in costs.hardware if h["energy"] is None]
    if without:
        parts.append(f"no energy is given for {listed(without)}")
    return (
        "; ".join(parts) + ". Models differ in what they count: compare within one, and mind the kind of its figures."
    )


def _against_ann(known: Sequence[Row]) -> str:
    """The spiking network beside the ANN where both are counted by the same convention."""
    spiking = [h for h in known if h["reference"] and not h["ann"]]
    anns = [h for h in known if h["ann"]]
    if not spiking or not anns:
        return ""
    mine, ann = (min(group, key=lambda h: h["energy"]) for group in (spiking, anns))
    ratio = ann["energy"] / mine["energy"]
    compared = f"{ratio:.1f} times as much" if ratio >= 1 else f"{1 / ratio:.1f} times less"
    return (
        f"by the 45 nm convention it takes {quantity(mine['energy'], 'J')} ({mine['title']}), and the same network as "
        f"an ANN {quantity(ann['energy'], 'J')} ({ann['title']}), {compared}"
    )


def layers(costs: Costs) -> str:
    largest: dict[str, list[str]] = {}
    without = []
    for h in costs.hardware:
        mine = [row for row in costs.layers if row["hardware"] == h["name"] and row["energy"]]
        if mine and belongs(h):
            largest.setdefault(max(mine, key=lambda row: row["energy"])["name"], []).append(h["title"])
        elif h["energy"]:
            share = percent(1 - h["of_populations"] / h["energy"], 0)
            without.append(f"{h['title']}: {share} belongs to no population.")
    if not largest:
        return " ".join(["No energy belongs to a population.", *without])
    if len(largest) == 1:
        text = f"{next(iter(largest))} takes the most energy by {'every model' if not without else 'all other models'}."
    else:
        text = "Most energy goes to " + listed(f"{name} ({'; '.join(by)})" for name, by in largest.items()) + "."
    return " ".join([text, *without])


def belongs(h: Row) -> bool:
    """Most energy of a model is that of populations."""
    return bool(h["energy"]) and h["of_populations"] >= 0.5 * h["energy"]


def terms(costs: Costs) -> str:
    largest: dict[str, list[str]] = {}
    for h in costs.hardware:
        mine = [t for t in costs.terms if t["hardware"] == h["name"] and t["part"] == "energy" and t["product"]]
        if mine:
            most = max(mine, key=lambda t: t["product"])
            share = percent(most["product"] / sum(t["product"] for t in mine), 0)
            largest.setdefault(most["name"], []).append(f"{h['title']}: {share}")
    if not largest:
        return "No term has a published figure."
    return "The largest part is " + listed(f"{name} ({'; '.join(where)})" for name, where in largest.items()) + "."


def chip(found: Chip) -> str:
    text = f"{found.summary}. A small square is a core, filled as far as what it runs out of first."
    return f"{text} Layout: {found.note}." if found.note else text


def timeline(found: Timeline) -> str:
    return (
        f"Populations work as a wavefront, one step behind each other: the answer of a sample alone is there after "
        f"{plural(found.latency, 'step')}, and the next sample follows {plural(found.period, 'step')} behind. "
        "Numbers are timesteps of the sample; guard steps that a target adds are not shown."
    )


def headline(report: Report) -> str:
    """What was run, in one line."""
    run = report.run
    bits = sorted({p["bits"] for p in report.populations})
    width = f"{bits[0]}" if len(bits) == 1 else f"{bits[0]} to {bits[-1]}"
    data = f"{plural(run['samples'], 'sample')} of {run['dataset'] or 'unnamed data'}"
    return (
        f"{run['network']}: {count(run['neurons'])} neurons in {plural(len(report.populations), 'population')}, "
        f"{width}-bit weights, {plural(run['timesteps'], 'timestep')}. Run on {run['target']} over {data}."
    )
