"""The lists of passes that a graph goes through: a foreign file on its way in, and any graph on its way out."""

from __future__ import annotations

from dataclasses import replace

import nir

from inflor.converter.nir.frameworks import FRAMEWORKS
from inflor.converter.nir.graph import Graph, assumed
from inflor.converter.nir.validate import validate
from inflor.converter.passes import drop_sums, refuse_max_pools, spell_out_resets
from inflor.converter.passes.base import Pass, run_passes
from inflor.converter.passes.bound_time_constants import bound_time_constants
from inflor.converter.passes.conventions import Conventions, check_agreement, framework_notes, in_steps
from inflor.converter.passes.drop_batch_sizes import drop_batch_sizes
from inflor.converter.passes.lower_thresholds import lower_thresholds
from inflor.converter.passes.place_resets import place_resets
from inflor.converter.passes.retime import retime
from inflor.converter.passes.scale_inputs import scale_inputs
from inflor.converter.passes.set_resets import set_resets
from inflor.converter.passes.set_time import set_time
from inflor.converter.passes.shift_starts import shift_starts
from inflor.converter.primitives.base import primitive
from inflor.converter.primitives.dynamics import check_time


def validate_by(graph: nir.NIRGraph, source: str, given: Conventions) -> Graph:
    """Check a NIR graph and read it by conventions; one whose metadata say its conventions stays as it is.

    What NIR's fields can say of the conventions is written into them, the rest into the nodes' metadata, so that the
    result means the same to every later stage without an option.

    Args:
        source: the file's name, for messages.

    Raises:
        InputError: the graph is not valid (see `inflor.converter.nir.validate`); the conventions contradict its
            metadata or the framework's; a time constant or delay does not fit the step; a neuron has no such form.
            Names the node.
    """
    valid = validate(run_passes(graph, before_validation(given)), source)
    valid = replace(valid, info=in_steps(valid.info, given))
    if not given.given:
        return valid
    if valid.info.known:
        check_agreement(valid, given)
        return valid
    read = run_passes(valid, by_conventions(given))
    read = replace(read, metadata=assumed(read.metadata, *framework_notes(given)))
    check_time(read)
    for name, node in read.nodes.items():
        if node is not valid.nodes[name]:
            primitive(node).checked(node, read.where(name))
    return read


def before_validation(given: Conventions) -> list[Pass[nir.NIRGraph]]:
    """What takes out of a graph that nothing has checked yet what its framework writes against NIR's definitions."""
    passes: list[Pass[nir.NIRGraph]] = []
    framework = None if given.framework is None else FRAMEWORKS[given.framework]
    if framework is not None and framework.infinite_times:
        passes.append(bound_time_constants(given.dt or framework.dt or 1.0))
    if framework is not None and framework.shapes_with_batch:
        passes.append(drop_batch_sizes())
    return passes


def by_conventions(given: Conventions) -> list[Pass[Graph]]:
    """What writes conventions into a valid graph that says none."""
    if given.framework is None:
        return [set_time(given), set_resets(given.reset, "zero")]
    framework = FRAMEWORKS[given.framework]
    passes = [set_time(given), set_resets(given.reset, framework.reset)]
    if framework.gains:
        passes.append(scale_inputs(framework.gains))
    passes.append(place_resets(framework.late_reset))
    if framework.start != "zero":
        passes.append(shift_starts(framework.start))
    if framework.reached:
        passes.append(lower_thresholds())
    return passes


def for_readers(portable: bool, step: float | None) -> list[Pass[Graph]]:
    """What writes a graph for other readers.

    Args:
        portable: for readers that know nothing of our metadata.
        step: for readers that know one step only, which is so long in the unit of their times.
    """
    passes: list[Pass[Graph]] = []
    if portable:
        passes = [refuse_max_pools.refuse_max_pools(), spell_out_resets.spell_out_resets(), drop_sums.drop_sums()]
    return passes if step is None else [*passes, retime(step)]


def notes_for_readers(graph: Graph) -> list[str]:
    """What a portable form of the graph changes, for the user.

    Raises:
        InputError: a soft reset or a max pool has no form in plain NIR; names the node.
    """
    refuse_max_pools.refused(graph)
    return spell_out_resets.notes(graph) + drop_sums.notes(graph)
