"""The quantization is too strong: the f16 file is clearly better than the one that is shipped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tunec.diagnosing.build import Build
from tunec.diagnosing.cause import Cause, Sign, strength

_MILD = ("q8_0", "q6_k", "q5_k_m")


def look(build: Build) -> Iterator[Sign]:
    chosen = build.choice["chosen"]
    drop = build.drops.get(chosen)
    if drop is None or build.choice["candidate"] == "f16":
        return
    low, high = sorted((drop["low"], drop["high"]))
    sure = 1.0 if low > 0 else 0.6
    figure = f"{build.primary} of {build.choice['candidate']} is {drop['value']:.3f} below the f16's on dev"
    yield Sign(f"{figure} [{low:.3f}, {high:.3f}]", sure * strength(drop["value"], 0.015, 0.06))


def patch(build: Build) -> Mapping[str, Any]:
    return {"quantization.formats": list(_MILD), "quantization.max_drop": 0.02}


def experiment(build: Build) -> str:
    return "milder files of the same weights: `tunec build 'quantization.formats=[q8_0, q6_k]'` trains nothing anew"


CAUSE = Cause(
    "quantization",
    "the quantization is too strong",
    look,
    experiment,
    "offer milder formats, and a quantization.max_drop that keeps this one out; try quantization.imatrix",
    before=15,
    patch=patch,
)
