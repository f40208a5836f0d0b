"""Spoilt task files, tens of thousands: each gives diagnostics or a plan, none a traceback, none a hang.

    python benchmarks/fuzz.py [--cases 20000] [--first 0] [--jobs CORES]

Case N is the same in every run on the same files; what fails is told with its N: `--first N --cases 1` runs it again.
Ends with 1 when a figure does not hold.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from figures import figure  # noqa: E402

from tests import mutating  # noqa: E402

BOUND = 2.0  # seconds a case
_GIVE_UP = 20.0  # seconds of computing after which a case is stopped


@dataclass(frozen=True)
class Done:
    """How a case ended. end: the first diagnostic's code, "plan", or the traceback. seconds: of compiling it."""

    seed: int
    end: str
    seconds: float

    @property
    def crashed(self) -> bool:
        return "\n" in self.end


def main() -> None:
    given = arguments()
    done = list(shown(run(range(given.first, given.first + given.cases), given.jobs), given.cases))
    crashes, slowest = [one for one in done if one.crashed], max(done, key=lambda one: one.seconds)
    for one in crashes[:20]:
        print(f"--- case {one.seed}\n{one.end}", file=sys.stderr)
    if slowest.seconds > BOUND:
        print(f"--- case {slowest.seed} took {slowest.seconds:.1f} s", file=sys.stderr)
    ends = Counter(one.end for one in done if not one.crashed)
    figure("fuzz_cases", len(done), "files", None)
    figure("fuzz_plans", ends["plan"], "files", None)
    figure("fuzz_codes", len(ends) - ("plan" in ends), "codes that came first", None)
    figure("fuzz_crashes", len(crashes), "files", 0)
    figure("fuzz_slowest", slowest.seconds, "s", BOUND)
    sys.exit(bool(crashes) or slowest.seconds > BOUND)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    return parser.parse_args()


def run(seeds: range, jobs: int) -> Iterator[Done]:
    if jobs == 1:
        yield from map(one, seeds)
        return
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap_unordered(one, seeds, chunksize=20)


def one(seed: int) -> Done:
    """Compile one case; SIGVTALRM counts computing, and leaves the compiler's own timers alone."""
    signal.signal(signal.SIGVTALRM, give_up)
    case = mutating.case(seed)
    began = time.process_time()
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, _GIVE_UP)
        end = mutating.outcome(case) or "plan"
    except Exception:
        end = traceback.format_exc(limit=-8)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return Done(seed, end, time.process_time() - began)


def give_up(signum: int, frame: object) -> None:
    raise RuntimeError(f"stopped after {_GIVE_UP:g} s")


def shown(done: Iterator[Done], total: int) -> Iterator[Done]:
    """The same, with a line of progress where a person looks."""
    for count, result in enumerate(done, 1):
        yield result
        if sys.stderr.isatty() and count % 50 == 0:
            print(f"\r{count} of {total}", end="", file=sys.stderr)
    if sys.stderr.isatty():
        print("\r" + " " * 30 + "\r", end="", file=sys.stderr)


if __name__ == "__main__":
    main()
