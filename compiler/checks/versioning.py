"""How releases are named."""

from __future__ import annotations

from collections.abc import Iterator

from compiler import versions
from compiler.checks._check import Found, Look, check


@check("T148")
def naming_names_releases(look: Look) -> Iterator[Found]:
    """`versioning.naming` makes no name of a release: an unknown placeholder, no number, or no legal git tag.

    Write it like `"{task}-v{n}"`. There are {task}, {n} and {date}.
    """
    naming, strategy = look.task.versioning.naming, look.task.versioning.strategy
    if why := versions.problem(naming, strategy, look.task.task_name):
        yield Found(f"this names no release: {why}", "versioning.naming", 'write it like `naming: "{task}-v{n}"`')
