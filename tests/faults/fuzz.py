"""Reads mutants of every kind of file: each must end in success or in one clear error, soon, and in little memory.

    python tests/faults/fuzz.py [MUTANTS] [FIRST] [FOLDER]      # FOLDER keeps the mutants that are at fault

Mutants are numbered, and mutant 1234 is the same everywhere. They are read in a process of their own, so that a crash
or a hang is a result like any other. Of kinds that carry a checksum two mutants in three are signed again, so that they
get past it; of the others none may be taken that says anything else than the whole file. A mutant at fault belongs in
tests/faults/found, where test_faults.py reads it for ever.
"""

from __future__ import annotations

import contextlib
import faulthandler
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

PATIENCE = 10
"""Seconds of computing after which a mutant hangs; twenty times as long by the clock."""
LONGEST_MESSAGE = 1500
MOST_MEMORY = 500
"""Megabytes that one mutant may add."""
SIGNED = 2 / 3
MAKING = "making"
"""What a mutant's process does when h5py, which signs and compares mutants, hangs or crashes, and not the product."""


def attempt(path: Path, kind: Any) -> str:
    """What becomes of a file: how far it came, or "refused" with why. What it raises otherwise is a fault."""
    from inflor.converter.errors import InputError

    try:
        return str(kind.read(path))
    except InputError as error:
        message = str(error)
        if "\n" in message or len(message) > LONGEST_MESSAGE or not message.startswith(str(path)):
            raise AssertionError(f"not one clear message: {message[:300]!r}") from error
        return "refused by its checksum" if "checksum" in message else "refused"


def work(first: int, last: int, folder: Path, keep: Path) -> None:
    """Read mutants; a line for each: number, kind, signed, seconds, memory added in kilobytes, result."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
    from kinds import KINDS, whole_files

    warnings.simplefilter("ignore")
    faulthandler.register(signal.SIGPROF, chain=True)  # shows where it hangs, and then ends the process
    mutants = folder / "mutants"
    for inner in (mutants, folder / "whole"):
        inner.mkdir(exist_ok=True)
    seeds = whole_files(folder / "whole")
    ours = [(KINDS[name], seed) for name, files in seeds.items() for seed in files if KINDS[name].content]
    said = {seed: kind.content(seed) for kind, seed in ours if b"sha256" in seed.read_bytes() or kind.suffix != ".nir"}
    for number in range(first, last):
        draw = random.Random(number)
        name = draw.choice(list(KINDS))
        kind, seed = KINDS[name], draw.choice(seeds[name])
        path, phase = mutants / f"mutant{kind.suffix}", folder / "phase"
        signs = kind.sign is not None and draw.random() < SIGNED
        phase.write_text(MAKING)
        signal.setitimer(signal.ITIMER_PROF, PATIENCE)
        path.write_bytes(kind.change(seed.read_bytes(), draw))
        if signs:
            kind.sign(path)
        signal.setitimer(signal.ITIMER_PROF, 0)
        phase.write_text(name)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start = time.process_time()
        faulthandler.dump_traceback_later(20 * PATIENCE, exit=True)
        signal.setitimer(signal.ITIMER_PROF, PATIENCE)
        try:
            result = attempt(path, kind)
            phase.write_text(MAKING)
            if not signs and seed in said and not result.startswith("refused"):
                result += _unchanged(path, kind, said[seed])
        except Exception as error:
            result = f"FAULT {type(error).__name__}: {' '.join(str(error).split())[:200]}"
        signal.setitimer(signal.ITIMER_PROF, 0)
        faulthandler.cancel_dump_traceback_later()
        seconds = time.process_time() - start
        added = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        if added > MOST_MEMORY * 1024 and not result.startswith("FAULT"):
            result = f"FAULT memory: {added >> 10} MB, {result}"
        if result.startswith("FAULT"):
            shutil.copy(path, keep / f"{number}{kind.suffix}")
        print(number, name, int(signs), f"{seconds:.3f}", added, result, flush=True)


def _unchanged(path: Path, kind: Any, said: str) -> str:
    """Whether a file that was taken says what the whole one says."""
    try:
        same = kind.content(path) == said
    except Exception:  # plain means do not get through what the product reads by its own
        return ", unchanged as far as can be told"
    if not same:
        raise AssertionError("taken, though it says something else and was not signed")
    return ", unchanged"


def main(count: int = 10_000, first: int = 0, keep: Path | None = None) -> int:
    results: dict[str, Counter[str]] = {}
    past: Counter[str] = Counter()
    slowest, largest, start, number = (0.0, first), (0, first), time.perf_counter(), first
    keep = keep or Path("runs/fuzz")
    keep.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(KeyboardInterrupt), tempfile.TemporaryDirectory() as folder:
        while number < first + count:
            command = [sys.executable, __file__, "work", str(number), str(first + count), folder, str(keep)]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
                assert worker.stdout is not None
                for line in worker.stdout:
                    current, name, signs, seconds, kilobytes, result = line.rstrip().split(" ", 5)
                    results.setdefault(name, Counter())[result.split(":")[0]] += 1
                    if signs == "1":
                        past["signed"] += 1
                        past["past"] += result != "refused by its checksum"
                        past["taken"] += not result.startswith("refused")
                    slowest = max(slowest, (float(seconds), int(current)))
                    largest = max(largest, (int(kilobytes), int(current)))
                    number = int(current) + 1
                    if (number - first) % 1000 == 0:
                        print(f"{number - first} mutants after {time.perf_counter() - start:.0f} s", flush=True)
                    if result.startswith("FAULT"):
                        print(f"mutant {current} ({name}): {result}", flush=True)
            if number < first + count and Path(folder, "phase").read_text() == MAKING:
                results.setdefault("", Counter())["too broken for h5py itself"] += 1
                number += 1
            elif number < first + count:
                for left in Path(folder, "mutants").iterdir():
                    shutil.copy(left, keep / f"{number}{left.suffix}")
                print(f"mutant {number}: FAULT: the process ended with {worker.returncode}", flush=True)
                results.setdefault("unknown", Counter())["FAULT"] += 1
                number += 1
    total = sum(sum(found.values()) for found in results.values())
    faults = sum(n for found in results.values() for result, n in found.items() if result.startswith("FAULT"))
    print(f"{total} mutants in {time.perf_counter() - start:.0f} s, {faults} at fault")
    for name, found in sorted(results.items()):
        print(f"  {name:<8} " + ", ".join(f"{n} {result}" for result, n in found.most_common()))
    if past:
        shares = [f"{past[how] / past['signed']:.0%}" for how in ("past", "taken")]
        print(f"signed again: {past['signed']}; {shares[0]} got past the checksum, {shares[1]} were taken")
    print(f"slowest: {slowest[0]:.2f} s (mutant {slowest[1]}); most memory added: {largest[0] >> 10} MB ({largest[1]})")
    return 1 if faults else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["work"]:
        work(int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]), Path(sys.argv[5]))
    else:
        sys.exit(main(*(int(value) for value in sys.argv[1:3]), *(Path(value) for value in sys.argv[3:])))
