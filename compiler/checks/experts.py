"""Fields of work in which a wrong answer hurts people."""

from __future__ import annotations

from collections.abc import Iterator

from compiler.checks._check import Found, Look, check
from compiler.domains import high_stakes


@check("T854", "warning")
def expert_has_reviewed(look: Look) -> Iterator[Found]:
    """A task of medicine, law, finance, employment or safety, and nobody who knows the field has reviewed it.

    It can be built and measured; `tunec release` refuses it. Let an expert read the rows, the contract and the wrong
    answers, and write who and when: `expert_review: {by: NAME, on: 2026-01-31}`.
    """
    field = high_stakes(look.task.domain)
    if field and look.task.expert_review is None:
        help = "let an expert review it, then write `expert_review: {by: NAME, on: 2026-01-31}`"
        note = "it can be built and measured; a release is refused"
        yield Found(f"`{look.task.domain}` is {field}, where a wrong answer hurts people", "domain", help, note)


@check("T855")
def review_has_a_day(look: Look) -> Iterator[Found]:
    """`expert_review.on` is no day of the calendar.

    Write the day on which the review was done, such as 2026-01-31.
    """
    from datetime import date

    review = look.task.expert_review
    try:
        if review:
            date.fromisoformat(review.on)
    except ValueError:
        yield Found(f"{review.on} is no day", "expert_review.on", "write it like 2026-01-31")  # type: ignore[union-attr]
