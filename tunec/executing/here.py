"""`python -m tunec.executing.here STAGE`: what an executor starts where it has brought a stage to. It runs the stage on
that machine, whatever `execution` says, and loads nothing of the command line.
"""

from __future__ import annotations

import sys

from stages import runner


def command(stage: str) -> list[str]:
    """With the Python that asks."""
    return [sys.executable, "-P", "-m", "tunec.executing.here", stage]


if __name__ == "__main__":
    sys.exit(runner.main(sys.argv[1]))
