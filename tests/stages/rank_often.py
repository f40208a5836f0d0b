"""As stages/rank.py, with a checkpoint after every step."""

from __future__ import annotations

import sys
from pathlib import Path

from stages import rank, resuming

if __name__ == "__main__":
    resuming.EVERY, resuming.SHARE = 0.0, 1e9
    sys.exit(rank.main(Path(sys.argv[1])))
