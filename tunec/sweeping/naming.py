"""What the files of a sweep are called, and which variant each of them is of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from compiler import Compiled
from compiler.plan import Variant
from compiler.sweep import FORMATS


def named_files(variants: Sequence[Variant]) -> dict[str, tuple[Variant, str]]:
    """Every file's name, as `select` and `tunec sweep show` have it -> its variant and its format, f16 among them."""
    return {
        f"{variant.slug}-{format}": (variant, format)
        for variant in variants
        for format in ("f16", *variant.lookup(FORMATS))
    }


def config_of(compiled: Compiled, file: str) -> dict[str, Any]:
    """Every key of the task, resolved, as the variant of this file was built with; without those of the others."""
    variant, _ = named_files(compiled.variants).get(file, (compiled.variants[0], ""))
    return {key: value for key, value in variant.values.items() if key != "swept"}
