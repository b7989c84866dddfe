"""Numbers as a person reads them."""

from __future__ import annotations

import math
from typing import Any

NOT_PUBLISHED = "not published"
_PREFIXES = {-15: "f", -12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T"}


def count(value: float | None) -> str:
    """512462 as 512,462; None as a dash."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:,.1f}"


def percent(fraction: float | None, digits: int = 2) -> str:
    """0.9778 as 97.78 %; what is not quite all or nothing is not rounded to it."""
    if fraction is None:
        return "–"
    text = f"{100 * fraction:.{digits}f}"
    if 0 < fraction < 1 and float(text) in (0.0, 100.0):
        least = 10.0**-digits
        return f"< {least:.{digits}f} %" if fraction < 0.5 else f"> {100 - least:.{digits}f} %"
    return f"{text} %"


def quantity(value: float | None, unit: str, absent: str = NOT_PUBLISHED) -> str:
    """1.234e-6, "J" as 1.23 µJ; None as `absent`."""
    if value is None:
        return absent
    if value == 0:
        return f"0 {unit}"
    power = min(max(3 * math.floor(math.log10(abs(value)) / 3 + 1e-12), -15), 12)
    scaled = value / 10.0**power
    digits = 2 if abs(scaled) < 10 else 1 if abs(scaled) < 100 else 0
    return f"{scaled:.{digits}f} {_PREFIXES[power]}{unit}"


def between(low: float, high: float, unit: str) -> str:
    """12.2e-6 and 28.9e-6, "J" as 12.2 – 28.9 µJ; both units where they differ."""
    first, last = quantity(low, unit), quantity(high, unit)
    return f"{first.split()[0] if first.split()[1:] == last.split()[1:] else first} – {last}"


def size(bytes_: float) -> str:
    """Bytes as kB (1000) or MB."""
    for factor, unit in ((1e6, "MB"), (1e3, "kB")):
        if bytes_ >= factor:
            return f"{bytes_ / factor:.1f} {unit}"
    return f"{bytes_:.0f} bytes"


def shape(sizes: Any) -> str:
    """(16, 8, 8) as 16×8×8."""
    return "×".join(map(str, sizes))


def plural(number: int, one: str, many: str | None = None) -> str:
    """1, "core" as "1 core"; 2 as "2 cores"."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def listed(names: Any) -> str:
    """a, b and c."""
    names = list(map(str, names))
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
