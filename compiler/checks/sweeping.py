"""What a sweep needs, or does not."""

from __future__ import annotations

from collections.abc import Iterator

from compiler.checks._check import Found, Look, check


@check("T505", "warning")
def choosing_has_a_choice(look: Look) -> Iterator[Found]:
    """`evaluation.choose_by` without a sweep: of one variant there is nothing to choose.

    Remove it, or sweep something.
    """
    if look.written("evaluation.choose_by") and not look.task.sweep:
        help = "remove it, or sweep something"
        yield Found("one variant leaves nothing to choose", "evaluation.choose_by", help, key=True)
