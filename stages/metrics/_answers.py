"""Short answers as SQuAD compares them: no case, punctuation or articles; Chinese by the character, as in CMRC.

Source: Rajpurkar et al. 2016, evaluate-v2.0.py; Cui et al. 2019, cmrc2018_evaluate.py.
"""

from __future__ import annotations

import re
import unicodedata

from stages.metrics._words import CJK

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_SPLIT = re.compile(f"([{CJK}])")


def tokens(text: str) -> list[str]:
    """The words that count."""
    kept = "".join(c for c in text.lower() if not unicodedata.category(c).startswith("P"))
    return _SPLIT.sub(r" \1 ", _ARTICLES.sub(" ", kept)).split()


def unanswerable(text: object, markers: tuple[str, ...]) -> bool:
    """Whether an answer says that there is none: it is empty, or one of the markers."""
    said = tokens("" if text is None else str(text))
    return not said or any(said == tokens(marker) for marker in markers)
