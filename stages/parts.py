"""Many prompts are answered part by part, and a part that is done is kept: a run that was cut off goes on where it was.

The parts are the same whether it was cut off or not, and so are the answers: rows that are decoded together, and the
prefix that they share, can turn a bit in a logit. The last part is never kept, so that there always is one to time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from stages import checkpoints, progress
from stages.answers import Answer
from stages.chat import Prompt
from stages.journal import Journal, digest

FILE = "answers.jsonl"
LEAST, ROUNDS = 128, 8  # prompts of a part: at least, and for each sequence that is decoded at once


def size(sequences: int) -> int:
    """So large that the end of a part, where fewer and fewer are decoded together, costs little."""
    return max(LEAST, ROUNDS * sequences)


def in_parts(
    prompts: Sequence[Prompt], size: int, answer: Callable[[Sequence[Prompt]], Iterable[Answer]], about: Any
) -> Iterator[Answer]:
    """Answers in the order of the prompts. about: JSON that stands for who answers, and how, within this stage."""
    parts = [prompts[begin : begin + size] for begin in range(0, len(prompts), size)]
    home = checkpoints.place() if len(parts) > 1 else None  # names the stage's inputs, parameters and code
    journal = Journal(home / FILE) if home else None
    done = 0
    for part in parts:
        key = digest([about, done, [[prompt.id, prompt.text] for prompt in part]])
        kept = journal.known.get(key) if journal else None
        if kept is None:
            with progress.part_of(done, len(prompts)):
                found = list(answer(part))
            if journal and part is not parts[-1]:
                journal.add(key, {"answers": [asdict(one) for one in found]})
        else:
            found = [Answer(**one) for one in kept["answers"]]
        done += len(part)
        yield from found
