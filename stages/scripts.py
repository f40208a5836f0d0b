"""What a text is written in."""

from __future__ import annotations

import re

_SCRIPTS: tuple[tuple[str, str], ...] = (
    ("Japanese", r"[\u3040-\u30ff]"),
    ("Han", r"[\u3400-\u9fff]"),
    ("Hangul", r"[\uac00-\ud7af]"),
)
_SCRIPTS += (("Cyrillic", r"[\u0400-\u04ff]"), ("Arabic", r"[\u0600-\u06ff]"), ("Latin", r"[A-Za-z\u00c0-\u024f]"))
_OTHERS = re.compile("|".join(f"({signs})" for _, signs in _SCRIPTS))


def script(text: str) -> str:
    """What a text is written in, by its first telling sign: kana before Chinese characters, those before letters."""
    if text.isascii():
        return "Latin" if any(map(str.isalpha, text)) else "none"
    found = {int(match.lastindex or 0) for match in _OTHERS.finditer(text[:2000])}
    return _SCRIPTS[min(found) - 1][0] if found else "other"
