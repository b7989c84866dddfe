"""One color per population, the same in every chart, readable on light and on dark paper."""

from __future__ import annotations

import math

FIRST_HUE, LAST_HUE = 262.0, 425.0
"""Degrees in OKLCH: from blue over purple and red to amber, in order of depth."""
CHROMA = 0.155
LIGHTNESS = (0.58, 0.64)
"""Both ends are at least 3:1 in contrast against white and against the page's dark ground."""


def ramp(count: int) -> tuple[str, ...]:
    """`count` colors in order of depth, as #rrggbb."""
    return tuple(_color(i / max(count - 1, 1)) for i in range(count))


def _color(part: float) -> str:
    lightness = LIGHTNESS[0] + part * (LIGHTNESS[1] - LIGHTNESS[0])
    chroma = CHROMA
    while True:
        channels = _linear_rgb(lightness, chroma, FIRST_HUE + part * (LAST_HUE - FIRST_HUE))
        if all(-1e-6 <= value <= 1 + 1e-6 for value in channels):
            return "#" + "".join(f"{round(255 * _gamma(value)):02x}" for value in channels)
        chroma -= 0.005  # outside of sRGB: less of the color, the same lightness


def _linear_rgb(lightness: float, chroma: float, hue: float) -> tuple[float, float, float]:
    """OKLCH as linear sRGB. Source: B. Ottosson, A perceptual color space for image processing (2020)."""
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )


def _gamma(value: float) -> float:
    value = min(max(value, 0.0), 1.0)
    return 12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055
