"""The state arithmetic of chips, for running it without the chip or its simulator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from inflor.converter.errors import InputError
from inflor.quant.run.kernel import Overflow, Profile

PROFILES: Mapping[str, Profile] = {
    # lava-nc 0.10.0, proc/lif/models.py: u wraps at 24 bits, v is clipped to +-(2**23 - 1); our neuron program does too
    "loihi": Profile(24, "saturate", 24, "wrap", symmetric=True),
}
"""By target. Decays and fraction bits are part of the network; a profile says what the width of a state does."""


def choose(profile: str | None, state_bits: int | None, overflow: str | None) -> Profile:
    """A chip's profile by name, or the width and rule given for both states.

    Raises:
        InputError: there is no such profile or rule, a width out of range, or both are given.
    """
    if profile is not None:
        if state_bits is not None or overflow is not None:
            raise InputError(f"--profile {profile} says what --state-bits and --overflow say; give one or the other")
        if profile not in PROFILES:
            raise InputError(f"--profile {profile}: choose one of {', '.join(PROFILES)}")
        return PROFILES[profile]
    rule: Overflow = "error"
    for known in get_args(Overflow):
        rule = known if overflow == known else rule
    if overflow not in (None, *get_args(Overflow)):
        raise InputError(f"--overflow {overflow}: choose one of {', '.join(get_args(Overflow))}")
    if state_bits is not None and not 2 <= state_bits <= 63:
        raise InputError(f"--state-bits {state_bits}: choose a width from 2 to 63")
    return Profile(state_bits, rule, state_bits, rule)
