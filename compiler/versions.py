"""Names of releases: `versioning.naming` with {task}, {n} and {date} filled in by one of three strategies.

| strategy | {n} | {date} |
|---|---|---|
| semantic | 2, 2.1, 2.1.3 | 2025-01-07 |
| date | 2025-01-07, and 2025-01-07.2 for the second of a day | 2025-01-07 |
| hybrid | 2-20250107; 2 alone where the naming has {date} too | 20250107 |

Zeros at a number's end are left out, but never in the form `@v{n}`, which GTO reads: booking@v2.0.0. A date has no
number for the v of `v{n}` to stand before, so there the v falls away.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Literal

Level = Literal["major", "minor", "patch"]
Number = tuple[int, int, int]

LONGEST = 100  # characters of a name
FIRST: Number = (1, 0, 0)
GTO = "@v{n}"
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_KNOWN = ("task", "n", "date")
_CHARACTERS = re.compile(r"[A-Za-z0-9._@-]+")
_NUMBER = re.compile(r"v?(0|[1-9]\d{0,5})(?:\.(0|[1-9]\d{0,5}))?(?:\.(0|[1-9]\d{0,5}))?", re.ASCII)
_SAMPLE = date(2025, 1, 7)


def problem(naming: str, strategy: str, task: str = "task") -> str | None:
    """Why this naming cannot name the releases of a task; None when it can."""
    unknown = next((name for name in _PLACEHOLDER.findall(naming) if name not in _KNOWN), None)
    if unknown is not None:
        return f"{{{_shown(unknown)}}} is no placeholder; there are {{task}}, {{n}} and {{date}}"
    if "{n}" not in naming and not (strategy == "date" and "{date}" in naming):
        return "every release would have the same name; let it hold {n}" + (" or {date}" if strategy == "date" else "")
    if GTO in naming and not re.search(r"[a-z0-9]$", task):
        return f"GTO reads no name that ends like {_shown(task)}; let the task's name end with a letter or a digit"
    return illegal(name(naming, strategy, task, (999, 999, 999), _SAMPLE, again=99))


def illegal(name: str) -> str | None:
    """Why a text is no name of a release; None when it is one. Each name is a legal git tag, and more narrow than that:
    no option, path, blank, bidi or other hidden character, so it can stand in a command, a file name and a page.
    """
    if not name:
        return "it is empty"
    if len(name) > LONGEST:
        return f"it is longer than {LONGEST} characters"
    odd = _CHARACTERS.sub("", name)
    if odd:
        return f"it holds {_shown(odd[0])}; letters, digits, `.`, `_`, `@` and `-` are allowed"
    if not name[0].isalnum():
        return f"it begins with {_shown(name[0])}; let it begin with a letter or a digit"
    if ".." in name or name.endswith((".", ".lock")):
        return "git takes no name with `..`, or that ends with `.` or `.lock`"
    return None


def name(naming: str, strategy: str, task: str, number: Number, day: date, again: int = 1) -> str:
    """The name of a release. again: which release of its day it is; of use to the date strategy alone."""
    values = {"task": task, **_dated(naming, strategy, number, day, again)}
    if strategy == "date":
        naming = naming.replace("v{n}", "{n}")
    return _PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), naming)


def _dated(naming: str, strategy: str, number: Number, day: date, again: int) -> dict[str, str]:
    counted = full(number) if GTO in naming else spelled(number)
    plain, short = day.isoformat(), f"{day:%Y%m%d}"
    if strategy == "date":
        once = plain if again == 1 else f"{plain}.{again}"
        return {"n": once, "date": plain if "{n}" in naming else once}
    if strategy == "hybrid":
        return {"n": counted if "{date}" in naming else f"{counted}-{short}", "date": short}
    return {"n": counted, "date": plain}


def spelled(number: Number) -> str:
    """2, 2.1 or 2.1.3."""
    major, minor, patch = number
    return f"{major}" + (f".{minor}" if minor or patch else "") + (f".{patch}" if patch else "")


def full(number: Number) -> str:
    """2.0.0, as semantic versioning and GTO write it."""
    return ".".join(map(str, number))


def read_number(text: str) -> Number | None:
    """The number that a person wrote, such as 2, v2.1 or 2.1.0; None when it is none."""
    found = _NUMBER.fullmatch(text)
    if not found:
        return None
    major, minor, patch = (int(part or 0) for part in found.groups())
    return major, minor, patch


def bumped(number: Number, level: Level) -> Number:
    """The next number after a change of this weight."""
    major, minor, patch = number
    if level == "major":
        return major + 1, 0, 0
    return (major, minor + 1, 0) if level == "minor" else (major, minor, patch + 1)


def _shown(text: str) -> str:
    return ascii(text[:40])
