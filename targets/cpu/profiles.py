"""The state arithmetic that the emulator runs with: a chip's, or a width and a rule."""

from __future__ import annotations

from typing import cast

from inflor.converter.errors import InputError
from inflor.quant.run.kernel import Overflow, Profile
from inflor.targets import registry
from inflor.targets.cpu.options import CpuOptions


def choose(options: CpuOptions) -> Profile:
    """The profile of a target by its name, or the width and rule given for both states.

    Decays and fraction bits are part of the network; a profile says what the width of a state does.

    Raises:
        InputError: there is no such profile, or both are given.
    """
    if options.profile is None:
        rule = cast(Overflow, options.overflow or "error")
        return Profile(options.state_bits, rule, options.state_bits, rule)
    if options.state_bits is not None or options.overflow is not None:
        raise InputError(
            f"`profile` {options.profile} says what `state_bits` and `overflow` say; give one or the other",
            option="profile",
        )
    known = {name: target.profile for name, target in registry.targets().items() if target.profile is not None}
    if options.profile not in known:
        raise InputError(f"`profile` {options.profile}: choose one of {', '.join(known)}", option="profile")
    return known[options.profile]()
