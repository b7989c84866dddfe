"""What a user says about a file that does not say it: dt, integration, reset, or a whole framework's conventions."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from inflor.converter.errors import InputError
from inflor.converter.nir.frameworks import FRAMEWORKS, Reset
from inflor.converter.nir.graph import Graph, assumptions, reset_of
from inflor.converter.nir.metadata import INTEGRATIONS, MAX_TIMESTEPS, ModelInfo
from inflor.converter.primitives.base import primitive


@dataclass(frozen=True)
class Conventions:
    """What a user says about a file: None leaves it to the file, then to the framework, then to NIR.

    Attributes:
        dt: a step in the unit of the file's time constants.
        integration: "euler" or "exponential".
        reset: "zero" or "subtract".
        framework: a name of `inflor.converter.nir.frameworks`.
        timesteps: steps per sample; unlike the others it may differ from what the file says, and then counts.

    Raises:
        InputError: a value is none of these.
    """

    dt: float | None = None
    integration: str | None = None
    reset: Reset | None = None
    framework: str | None = None
    timesteps: int | None = None

    def __post_init__(self) -> None:
        if self.dt is not None and not (math.isfinite(self.dt) and self.dt > 0):
            raise InputError(f"dt is {self.dt!r}; give a positive number", option="dt")
        steps = self.timesteps
        if steps is not None and not (type(steps) is int and 1 <= steps <= MAX_TIMESTEPS):
            text = f"timesteps is {steps!r}; give a whole number from 1 to {MAX_TIMESTEPS}"
            raise InputError(text, option="timesteps")
        choices = (("integration", INTEGRATIONS), ("reset", ("zero", "subtract")), ("framework", tuple(FRAMEWORKS)))
        for name, known in choices:
            value = getattr(self, name)
            if value is not None and value not in known:
                raise InputError(f"{name} is {value!r}; it is one of {', '.join(known)}", option=name)

    @property
    def given(self) -> bool:
        """Whether the user says anything of what a step is."""
        return any(value is not None for value in (self.dt, self.integration, self.reset, self.framework))


def in_steps(info: ModelInfo, given: Conventions | None) -> ModelInfo:
    """What a model says about itself, run for as many steps as the user says."""
    if given is None or given.timesteps is None:
        return info
    return replace(info, timesteps=given.timesteps, says_timesteps=True)


def framework_notes(given: Conventions) -> list[str]:
    """What a framework's files leave out, and what is assumed of it."""
    if given.framework is None:
        return []
    framework = FRAMEWORKS[given.framework]
    said = (given.reset is None and framework.reset_note,)
    return [f"{given.framework} {note}." for note in (*said, *framework.notes) if note]


def reading_notes(graph: Graph) -> list[str]:
    """What was assumed to read a graph, now or when its file was made, as no file said it; for the user."""
    notes = assumptions(graph.metadata)
    if not graph.info.known:
        notes.append(
            "The file says nothing about a step, input scaling or classes: Euler steps of 1, NIR's reset to v_reset, "
            "unscaled input and numbered classes are assumed. `framework`, `dt`, `integration` or `reset` say "
            "otherwise."
        )
    return notes


def check_agreement(graph: Graph, given: Conventions) -> None:
    """Refuse conventions that contradict what the metadata of a graph say.

    Raises:
        InputError: they do; names the first.
    """
    info = graph.info
    resets = {reset_of(node)[0] for node in graph.nodes.values() if primitive(node).resets}
    for option, value, said in (
        ("dt", given.dt, info.dt),
        ("integration", given.integration, info.integration),
        ("reset", given.reset, given.reset if resets == {given.reset} else ", ".join(sorted(resets)) or "none"),
        ("framework", given.framework, info.framework or "inflor"),
    ):
        if value is not None and value != said:
            shown = f"'{value}'" if isinstance(value, str) else value
            raise InputError(
                f"its metadata say {said}, which contradicts `{option}={shown}`",
                path=graph.source,
                option=option,
                mend="leave the option out",
            )
