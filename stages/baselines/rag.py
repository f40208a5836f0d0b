"""The base model with the contract in its prompt, and passages before the message that BM25 finds: in the documents of
`documents`, a pattern of text files, or in the train rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.baselines._options import option, path, taking, whole
from stages.catalog import Baseline

if TYPE_CHECKING:
    from stages.answers import Answer
    from stages.baselines._ask import Question

PASSAGES = 3
LONGEST = 1200  # characters of a passage


def answer(question: Question) -> Iterator[Answer]:
    """Passages that do not fit the context are left out, the least like the message first."""
    from stages.baselines._ask import ask_with
    from stages.baselines._similar import bm25

    known = [text for file in question.files for text in passages(file)] if question.files else examples(question)
    asked = [question.message(row) for row in question.rows]
    places = bm25(known, asked, option(question.options, "k", PASSAGES)) if known else [[] for _ in asked]
    found = [[known[place] for place in best] for best in places]
    return ask_with(question, asked, [[] for _ in asked], found)


def examples(question: Question) -> list[str]:
    """The train rows as passages."""
    rows = question.learned()
    return [f"{question.message(row)}\n{question.contract.write(row.output)}"[:LONGEST] for row in rows]


def passages(file: Path) -> list[str]:
    """A text file's paragraphs, long ones cut, short ones put together."""
    found: list[str] = []
    for part in file.read_text(encoding="utf-8", errors="replace").split("\n\n"):
        text = part.strip()
        pieces = [text[i : i + LONGEST] for i in range(0, len(text), LONGEST)]
        for piece in pieces:
            if found and len(found[-1]) + len(piece) < LONGEST // 2:
                found[-1] += f"\n{piece}"
            else:
                found.append(piece)
    return found


def files(options: Any) -> tuple[str, ...]:
    named = option(options, "documents", None)
    return (named,) if isinstance(named, str) else ()


BASELINE = Baseline(
    "rag",
    "the base model with passages that BM25 finds",
    answer,
    needs_model=True,
    needs_train=True,
    libraries=("scikit-learn", "scipy", "numpy"),
    settled={"prompting.mode": "contract"},
    allowed=taking(k=whole(1, 16), documents=path),
    files=files,
)
