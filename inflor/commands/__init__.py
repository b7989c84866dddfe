"""One module per command, each with a click command named `command`. A new one is a new file and its name here."""

from __future__ import annotations

COMMANDS = (
    *("train", "convert", "quantize", "place", "run", "check", "estimate", "report", "compare", "info", "targets"),
    "demo",
)
"""In the order in which the help lists them: that of the work."""
