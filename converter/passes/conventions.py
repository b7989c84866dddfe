"""What a user says about a file that does not say it: dt, integration, reset, or a whole framework's conventions."""

from __future__ import annotations

import math
from dataclasses import dataclass

from inflor.converter.errors import InputError
from inflor.converter.nir.frameworks import FRAMEWORKS, Reset
from inflor.converter.nir.graph import Graph, reset_of
from inflor.converter.nir.metadata import INTEGRATIONS
from inflor.converter.primitives.base import primitive


@dataclass(frozen=True)
class Conventions:
    """What a user says about a file: None leaves it to the file, then to the framework, then to NIR.

    Attributes:
        dt: a step in the unit of the file's time constants.
        integration: "euler" or "exponential".
        reset: "zero" or "subtract".
        framework: a name of `inflor.converter.nir.frameworks`.

    Raises:
        InputError: a value is none of these.
    """

    dt: float | None = None
    integration: str | None = None
    reset: Reset | None = None
    framework: str | None = None

    def __post_init__(self) -> None:
        if self.dt is not None and not (math.isfinite(self.dt) and self.dt > 0):
            raise InputError(f"dt is {self.dt!r}; give a positive number", option="dt")
        choices = (("integration", INTEGRATIONS), ("reset", ("zero", "subtract")), ("framework", tuple(FRAMEWORKS)))
        for name, known in choices:
            value = getattr(self, name)
            if value is not None and value not in known:
                raise InputError(f"{name} is {value!r}; it is one of {', '.join(known)}", option=name)

    @property
    def given(self) -> bool:
        """Whether the user says anything."""
        return any(value is not None for value in (self.dt, self.integration, self.reset, self.framework))


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
