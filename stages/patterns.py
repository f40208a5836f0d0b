"""Regular expressions that a task brings, in rules and in schemas: what is wrong with one, before it meets a row."""

from __future__ import annotations

import re
import warnings

_LONGEST = 1_000  # characters
_CLASSES = 50  # `[...]`; one over all of Unicode takes 20 ms to compile where case does not count


def flaw(pattern: object) -> str | None:
    """Why this is no regular expression that can be used; None when it is one."""
    if not isinstance(pattern, str):
        return "it is not a text"
    if len(pattern) > _LONGEST or pattern.count("[") > _CLASSES:
        return f"it has more than {_LONGEST:,} characters or {_CLASSES} classes"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(pattern)
    except RecursionError:
        return "it is nested too deep"
    except (re.error, OverflowError) as error:
        return str(error)
    return None
