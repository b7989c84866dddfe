"""python -m inflor.targets.conformance NAME: runs every check of an installed target; ends with 1 if one fails."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from inflor.converter.errors import InflorError
from inflor.targets import registry
from inflor.targets.conformance import suite
from inflor.targets.conformance.examples import Failure


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m inflor.targets.conformance NAME\n")
        return 2
    failed = 0
    try:
        checks = suite(registry.load(arguments[0]))
    except InflorError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    for check in checks:
        try:
            sys.stdout.write(f"ok      {check}: {check()}\n")
        except Failure as failure:
            failed += 1
            sys.stdout.write(f"FAILED  {check}: {failure}\n")
        sys.stdout.flush()
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
