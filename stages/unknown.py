"""A label that the contract lacks, by its name, with the one that was meant or the place where it is to be added.

It is the one reason of a rejected row that says what stands there: without the name, nobody can mend it. So a label is
named only where it looks like one: short, on one line, with no digit inside a word, as keys and passwords have it, and
with nothing of the form of personal data or of a secret. A person's name has no form, and is named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from stages import contract
from stages.personal import find

_LONGEST = 40  # characters of a label
_DIGITS = 6  # in it; with more, it may be a number that stands for a person
_INSIDE = re.compile(r"[^\W\d_]\d+[^\W\d_]")
_NEAR = 0.75  # of difflib's ratio, from which on another label was meant


def worded(error: Any) -> str:
    """A jsonschema error in words, as `contract.worded` has it, but for a label that can be named."""
    label = error.instance
    if error.validator != "enum" or not isinstance(label, str) or not _nameable(label):
        return contract.worded(error)
    at = "/".join(part for part in error.absolute_path if isinstance(part, str))
    whose = f"none of {at}'s values" if at else "no label of the contract"
    known = tuple(value for value in error.validator_value if isinstance(value, str))
    enum = f"the enum of {at} in output_format.schema" if at else "output_format.schema.enum"
    return _told(label, whose, enum, known)


@lru_cache(maxsize=4096)
def _told(label: str, whose: str, enum: str, known: tuple[str, ...]) -> str:
    name = label.strip()
    if name in known:
        return f"`{name}` stands with blanks around it"
    meant = _meant(name, known)
    return f"`{name}` is {whose}: " + (f"did you mean `{meant}`?" if meant else f"mend it, or add it to {enum}")


def _meant(label: str, known: tuple[str, ...]) -> str | None:
    """The label of the contract that is written nearly so, whatever its case and what parts its words."""
    plain: Mapping[str, str] = {_plain(name): name for name in reversed(known)}
    return next((plain[near] for near in get_close_matches(_plain(label), plain, n=1, cutoff=_NEAR)), None)


def _plain(label: str) -> str:
    return " ".join(label.casefold().replace("_", " ").replace("-", " ").split())


@lru_cache(maxsize=4096)
def _nameable(label: str) -> bool:
    told = label.strip()
    if not 0 < len(told) <= _LONGEST or not told.isprintable() or "`" in told:
        return False
    return sum(map(str.isdigit, told)) <= _DIGITS and not _INSIDE.search(told) and not find(told)
