"""Texts that mean a truth or a number elsewhere: in YAML 1.1, in other programs and countries, or without their quotes.

YAML 1.2 reads them as texts, and so do we: here is what to write instead.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from compiler.parse import scalar

Match = re.Match[str]
_TRUTHS = {"yes": True, "y": True, "on": True, "true": True, "no": False, "n": False, "off": False, "false": False}
_SCALES = {"k": 1e3, "m": 1e6, "b": 1e9}
_COUNTED = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_LONGEST = 60  # characters; no number of a task is longer


def truth(text: str) -> bool | None:
    """What `yes`, `Off` or a quoted "true" is meant to say; None where it is no such word."""
    return _TRUTHS.get(text.strip().lower()) if len(text) <= _LONGEST else None


def no_truth(name: str, text: str) -> tuple[str, str, str] | None:
    """(message, note, help) where true or false is expected and `text` is a word for one; None where it is none."""
    meant = truth(text)
    if meant is None:
        return None
    quoted = text.strip().lower() in ("true", "false")
    note = "quotes make a text of it" if quoted else "YAML 1.2 reads this word as text"
    help = f"write `{name}: {'true' if meant else 'false'}`"
    return f"`{name}`: expected true or false, got the text '{text}'", note, help


def number(text: str) -> str | None:
    """How to write the number that a text looks like: `1000`, `10, or 8 where ...`; None where it looks like none."""
    if len(text) > _LONGEST:
        return None
    plain = unicodedata.normalize("NFKC", text).strip().replace("\N{MINUS SIGN}", "-")
    if plain.lower() in _COUNTED:
        return str(_COUNTED.index(plain.lower()))
    if _is_number(plain):
        return f"{plain}, without quotes" if plain == text.strip() else plain
    found = ((re.fullmatch(form, plain, re.ASCII), words) for form, words in _FORMS)
    return next((words(match) for match, words in found if match), None)


def _is_number(plain: str) -> bool:
    value = scalar(plain)
    return isinstance(value, int | float) and not isinstance(value, bool)


def _other_base(match: Match) -> str:
    return f"{int(match[0].replace('_', ''), 0)}: only decimal numbers are read"


def _leading_zeros(match: Match) -> str:
    octal = "" if re.search("[89]", match[0]) else f", or {int(match[0], 8)} where an octal number is meant"
    return f"{int(match[0])}{octal}"


def _base_60(match: Match) -> str:
    value = 0.0
    for part in match[0].split(":"):
        value = value * 60 + float(part)
    return f"one number, such as {_shown(value)}: only YAML 1.1 takes `{match[0]}` for one, of base 60"


def _thousands(match: Match) -> str:
    """`1,000` is a thousand to some and one to others."""
    other = match[0].replace(",", ".")
    return match[0].replace(",", "") + (f", or {other} where the comma is a decimal point" if _is_number(other) else "")


def _unbound(match: Match) -> str:
    return "a finite number of at most 19 digits"


def _shown(value: float) -> str:
    return f"{value:.12g}"


_FORMS: tuple[tuple[str, Callable[[Match], str]], ...] = (  # the first that fits decides
    (r"[-+]?0([xX][0-9a-fA-F_]*[0-9a-fA-F]|[oO][0-7_]*[0-7]|[bB][01_]*[01])", _other_base),
    (r"[-+]?0[0-9]+", _leading_zeros),
    (r"[-+]?[0-9]+", _unbound),
    (r"[-+]?\.?(inf|Inf|INF|infinity|Infinity|nan|NaN|NAN)", _unbound),
    (r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+", _unbound),
    (r"[-+]?[0-9][0-9_]*(\.[0-9_]*)?([eE][-+]?[0-9]+)?", lambda match: match[0].replace("_", "")),
    (r"[0-9]+(:[0-5]?[0-9])+(\.[0-9]*)?", _base_60),
    (r"[-+]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?", _thousands),
    (r"[-+]?[0-9]*,[0-9]+([eE][-+]?[0-9]+)?", lambda match: match[0].replace(",", ".")),
    (r"[-+]?[0-9]{1,3}(\.[0-9]{3})+(,[0-9]+)?", lambda match: match[0].replace(".", "").replace(",", ".")),
    (r"[-+]?[0-9]{1,3}([ '][0-9]{3})+(\.[0-9]+)?", lambda match: re.sub("[ ']", "", match[0])),
    (r"([-+]?[0-9]+(?:\.[0-9]+)?) ?%", lambda match: _shown(float(match[1]) / 100)),
    (r"([-+]?[0-9]+) ?/ ?0*([1-9][0-9]*)", lambda match: _shown(int(match[1]) / int(match[2]))),
    (r"([-+]?[0-9]+(?:\.[0-9]+)?) ?([kKmMbB])", lambda match: _shown(float(match[1]) * _SCALES[match[2].lower()])),
)
