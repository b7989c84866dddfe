"""Reads and runs mutants of .nir files: each must end in success or in one clear error, soon, and in little memory.

    python tests/fuzz.py [MUTANTS] [FIRST] [FOLDER]      # FOLDER keeps the mutants that are at fault

Mutants are numbered, and mutant 1234 is the same everywhere. They run in a process of their own, so that a crash or a
hang is a result like any other. The tests run the first few hundred.
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
from collections import Counter
from pathlib import Path

PATIENCE = 30
"""Seconds of computing after which a mutant hangs; twenty times as long by the clock."""


def work(first: int, last: int, folder: Path, keep: Path) -> None:
    """Read mutants; a line for each: number, seconds of computing, peak memory of the process in kilobytes, result."""
    sys.path.insert(0, str(Path(__file__).resolve().parent / "support"))
    import mutants

    (folder / "seeds").mkdir(exist_ok=True)
    faulthandler.register(signal.SIGPROF, chain=True)  # shows where it hangs, and then ends the process
    seeds = mutants.seeds(folder / "seeds")
    path = folder / "mutant.nir"
    for number in range(first, last):
        draw = random.Random(number)
        mutants.mutate(draw.choice(seeds), path, draw)
        start = time.process_time()
        faulthandler.dump_traceback_later(20 * PATIENCE, exit=True)
        signal.setitimer(signal.ITIMER_PROF, PATIENCE)
        try:
            result = mutants.read_and_run(path)
        except Exception as error:
            shutil.copy(path, keep / f"{number}.nir")
            result = f"FAULT {type(error).__name__}: {' '.join(str(error).split())[:200]}"
        signal.setitimer(signal.ITIMER_PROF, 0)
        faulthandler.cancel_dump_traceback_later()
        seconds = time.process_time() - start
        print(number, f"{seconds:.3f}", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, result, flush=True)


def main(count: int = 10_000, first: int = 0, keep: Path | None = None) -> int:
    results: Counter[str] = Counter()
    slowest, memory, start, number = (0.0, first), {}, time.perf_counter(), first
    keep = keep or Path("runs/fuzz")
    keep.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(KeyboardInterrupt), tempfile.TemporaryDirectory() as folder:
        while number < first + count:
            command = [sys.executable, __file__, "work", str(number), str(first + count), folder, str(keep)]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
                assert worker.stdout is not None
                for line in worker.stdout:
                    current, seconds, kilobytes, result = line.rstrip().split(" ", 3)
                    results[result.split(":")[0]] += 1
                    slowest = max(slowest, (float(seconds), int(current)))
                    memory[int(kilobytes)] = int(current)
                    number = int(current) + 1
                    if number % 1000 == 0:
                        print(f"{number - first} mutants after {time.perf_counter() - start:.0f} s", flush=True)
                    if result.startswith("FAULT"):
                        print(f"mutant {current}: {result}", flush=True)
            if number < first + count:
                shutil.copy(Path(folder) / "mutant.nir", keep / f"{number}.nir")
                print(f"mutant {number}: FAULT: the process ended with {worker.returncode}", flush=True)
                results["FAULT"] += 1
                number += 1
    print(
        f"{sum(results.values())} mutants in {time.perf_counter() - start:.0f} s: "
        + ", ".join(f"{number} {result}" for result, number in results.items())
    )
    print(f"slowest: {slowest[0]:.2f} s (mutant {slowest[1]})")
    print(
        f"memory of the process: {min(memory) / 1024:.0f} MB at first, {max(memory) / 1024:.0f} MB at most "
        f"(mutant {memory[max(memory)]})"
    )
    return 1 if any(result.startswith("FAULT") for result in results) else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["work"]:
        work(int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]), Path(sys.argv[5]))
    else:
        sys.exit(main(*(int(value) for value in sys.argv[1:3]), *(Path(value) for value in sys.argv[3:])))
