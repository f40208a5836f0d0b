"""`tunec sweep adopt`: a variant of the sweep becomes what task.yaml says, and the sweep is over."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compiler import Compiled, compile_task
from compiler.parse import ParseError
from compiler.plan import Variant
from compiler.resolve import did_you_mean
from compiler.sweep import FORMATS
from stages.diagnostics import UserError, fail
from tunec import rewriting
from tunec.compiling import compile_here, compile_workspace, write_if_changed
from tunec.guard import recorded_overrides
from tunec.sweeping.naming import named_files
from tunec.workspace import TASK, Disk, read_task


@dataclass(frozen=True)
class Adopted:
    """What was written: key -> value; and the text of the task before and after."""

    values: dict[str, Any]
    before: str
    after: str


def adopt(root: Path, name: str) -> Adopted:
    """Write a variant (`MODEL-rR…`), or a file of one (`MODEL-rR…-q8_0`), into task.yaml, and compile that.

    Raises UserError: T516 for a name that the sweep does not have, T517 when the task would not come to the same.
    """
    overrides = recorded_overrides(root)
    compiled = compile_workspace(root, overrides)
    variant, format = _named(compiled, name)
    before = read_task(root / TASK)
    values = _values(overrides, variant, format)
    after = rewriting.without(rewriting.with_values(before, values), "sweep")
    _check(root, after, variant, format)
    write_if_changed(root / TASK, after)
    compile_here(root, [])
    return Adopted(values, before, after)


def _named(compiled: Compiled, name: str) -> tuple[Variant, str | None]:
    whole = {variant.slug: (variant, None) for variant in compiled.variants}
    known: dict[str, tuple[Variant, str | None]] = {**named_files(compiled.variants), **whole}
    if name not in known:
        help = did_you_mean(name, list(known)) or "`tunec sweep show` lists them"
        raise fail("T516", f"the sweep has no variant `{name[:80]}`", help=help)
    return known[name]


def _values(overrides: list[str], variant: Variant, format: str | None) -> dict[str, Any]:
    """What the command line set for all variants, then what the sweep chose, then the one format."""
    from compiler.parse import parse_value

    given = (override.partition("=") for override in overrides if not override.startswith("sweep="))
    shared = {key: parse_value(value, "<command line>").plain() for key, _, value in given}
    formats = {} if format is None else {FORMATS: [] if format == "f16" else [format]}
    return {**shared, **variant.point, **formats}


def _check(root: Path, text: str, variant: Variant, format: str | None) -> None:
    """The task that is to be written comes to the very values that the variant was built with."""
    try:
        compiled = compile_task(text, Disk(root))
    except ParseError as error:
        raise UserError(*error.diagnostics) from None
    ours, theirs = compiled.variants[0].values, variant.values
    aside = {"sweep", "swept", *({"quantization"} if format is not None else ())}
    differing = [key for key in ours if key not in aside and ours[key] != theirs.get(key)]
    if len(compiled.variants) != 1 or differing:
        help = f"write these into {TASK} by hand: {', '.join(differing) or 'one variant'}"
        raise fail("T517", f"{TASK} would not come to the same as `{variant.slug}`", help=help)
