"""Words of a text in any script: where words have no blanks between them, every character is one."""

from __future__ import annotations

import re

CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_TOKENS = re.compile(f"[{CJK}]|[^\\W{CJK}]+")
_CJK = re.compile(f"[{CJK}]")


def words(text: str) -> list[str]:
    return _TOKENS.findall(text.lower())


def spaceless(text: str) -> bool:
    """Whether the text holds a script without blanks between words."""
    return _CJK.search(text) is not None
