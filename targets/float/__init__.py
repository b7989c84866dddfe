"""Target `float`: runs a float NIR graph as NIR defines it, so that accuracy before and after is one command apart."""

from __future__ import annotations

from inflor.targets.api import Target, deferred
from inflor.targets.float.options import FloatOptions

TARGET = Target(
    name="float",
    summary="float executor of any NIR graph: the reference before quantization",
    input="float",
    options=FloatOptions,
    place=deferred("inflor.targets.float.executor:place"),
    run=deferred("inflor.targets.float.executor:run"),
)
