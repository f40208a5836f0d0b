"""What the rows showed, in words: a person sees why it is not asked, and what could not be read."""

from __future__ import annotations

from collections.abc import Iterator

from tunec.coaching.words import Many, Words
from tunec.observing import Observed


def looked(words: Words, seen: Observed) -> str:
    what = words.say("said.and").join(filter(None, _seen(words, seen)))
    told = words.say("said.looked", files=", ".join(seen.files), rows=f"{seen.total:,}", what=what)
    unread = words.say("said.unreadable", count=Many(seen.unreadable), first=seen.reason) if seen.unreadable else ""
    return "\n".join(filter(None, (told, unread)))


def _seen(words: Words, seen: Observed) -> Iterator[str]:
    if seen.kind:
        yield words.say(f"choices.task_type.{seen.kind.task_type}")
    yield from (seen.contract.type or "-", ", ".join(seen.columns.inputs), ", ".join(seen.languages))
    if seen.rarest:
        rarest, fewest = seen.rarest
        counts = {"labels": Many(len(seen.contract.labels or ())), "rows": Many(seen.looked)}
        yield words.say("why.counted", **counts, rarest=rarest, fewest=f"{fewest:,}")
    yield words.say("said.longest", tokens=f"{seen.tokens[0]:,}")
    if seen.duplicates:
        yield words.say("said.doubled", rows=Many(seen.duplicates))
