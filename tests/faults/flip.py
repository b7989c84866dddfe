"""Damage that any file can take on the way."""

from __future__ import annotations

import random

Random = random.Random


def flip(data: bytes, draw: Random) -> bytes:
    """Bytes cut off, copied over others, or changed."""
    changed = bytearray(data)
    how = draw.random()
    if how < 0.15:
        return bytes(changed[: draw.randrange(len(changed))])
    if how < 0.35:
        start, length, to = draw.randrange(len(changed)), draw.choice((8, 64, 512)), draw.randrange(len(changed))
        changed[to : to + length] = changed[start : start + length]
        return bytes(changed)
    limit = len(changed) if how < 0.7 else min(len(changed), 4096)
    for _ in range(draw.choice((1, 1, 2, 4, 16))):
        at = draw.randrange(limit)
        changed[at] = draw.choice((0, 255, draw.randrange(256), (changed[at] + 1) % 256, changed[at] ^ 128))
    return bytes(changed)
