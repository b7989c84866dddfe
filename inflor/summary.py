"""A record as plain data: what `inflor run --json` prints."""

from __future__ import annotations

from typing import Any

from inflor.targets.record.file import Record


def summarize(record: Record) -> dict[str, Any]:
    """The keys that scripts may rely on, and what produced the record. A readout never fires: it has 0 spikes.

    rate: spikes per neuron and timestep. accuracy: None without labels.
    """
    about = dict(record.run)
    populations = []
    for p in record.populations:
        spikes = int(record.counts[p.name].sum()) if p.name in record.counts else 0
        steps = p.size * record.timesteps * record.samples
        populations.append(
            {
                "name": p.name,
                "shape": list(p.shape),
                "kind": p.kind,
                "depth": p.depth,
                "spikes": spikes,
                "rate": spikes / steps if steps else 0.0,
            }
        )
    about.pop("samples", None)
    return {
        **{key: about.pop(key, None) for key in ("target", "dataset", "split")},
        "accuracy": record.accuracy,
        "samples": record.samples,
        "timesteps": record.timesteps,
        **{key: about.pop(key, None) for key in ("seconds", "samples_per_second")},
        "populations": populations,
        "overflows": dict(record.overflows),
        "notes": about.pop("notes", []),
        "record": record.path,
        "provenance": about,
    }
