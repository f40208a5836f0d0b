"""What every benchmark prints: one JSON line a figure."""

from __future__ import annotations

import json


def figure(name: str, value: float, unit: str, bound: float | None) -> bool:
    """bound: the most that is allowed; None for what is only told. Gives whether it holds."""
    holds = None if bound is None else value <= bound
    print(
        json.dumps({"figure": name, "value": round(value, 3), "unit": unit, "bound": bound, "holds": holds}), flush=True
    )
    return holds is not False
