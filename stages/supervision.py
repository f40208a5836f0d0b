"""From rows to what is trained on: the prompt as context, and the answer with its stop token as the only target."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from stages import weights
from stages.chat import Piece, Prompt, Prompting, stop_text, user_message
from stages.contract import Contract
from stages.counting import counted
from stages.diagnostics import Diagnostic, UserError, fail
from stages.engines._prefix import shared_prefix
from stages.rows import Row
from stages.shapes import GENERAL

NAMED = 5  # row ids that a diagnostic names
NO_LIMIT = 2**31  # tokens; no model reads as many


@dataclass(frozen=True)
class Example:
    """One row as token ids. Loss counts on `answer` alone, which ends with the token that ends a turn."""

    id: str
    prompt: list[int]
    answer: list[int]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.answer)

    @property
    def tokens(self) -> list[int]:
        return self.prompt + self.answer

    @property
    def labels(self) -> list[int]:
        """The tokens, with -100 wherever nothing is learned."""
        return [-100] * len(self.prompt) + self.answer


@dataclass(frozen=True)
class Pair:
    """One row with a better and a worse answer, each ending with the token that ends a turn."""

    id: str
    prompt: list[int]
    chosen: list[int]
    rejected: list[int]

    def __len__(self) -> int:
        """Of the longer one of the two, for that is what a batch is padded to."""
        return len(self.prompt) + max(len(self.chosen), len(self.rejected))

    @property
    def tokens(self) -> int:
        return 2 * len(self.prompt) + len(self.chosen) + len(self.rejected)

    @property
    def columns(self) -> dict[str, list[int]]:
        return {"prompt_ids": self.prompt, "chosen_ids": self.chosen, "rejected_ids": self.rejected}


Say = Callable[[Row], str]


def examples(
    rows: Iterable[Row],
    tokenizer: Any,
    prompting: Prompting,
    contract: Contract,
    max_length: int,
    *,
    say: Say | None = None,
    context: int | None = None,
) -> list[Example]:
    """Every row, tokenized exactly as it will be asked when served; special tokens in a row's texts stay text.

    say: the text of a row's answer, where it is not the right one. The answer's tokens follow the prompt's as they do
    in generation: the two are tokenized apart. context: tokens that the model reads at most, where it is known.
    Raises T340 when rows are longer than `max_length` tokens (nothing is truncated), T807 when they are longer than the
    context, T341 when an answer has no token, T342 when nothing ends an answer.
    """
    template, system = weights.chat_template(tokenizer), prompting.system(contract)
    stop = stop_tokens(tokenizer)
    found = []
    for row in rows:
        asked = (None, GENERAL) if row.general else (system, prompting.input_template)
        prompt = template.prompt(row.id, asked[0], user_message(asked[1], row.input))
        text = str(row.output) if row.general else say(row) if say else contract.write(row.output)
        said = weights.encode(tokenizer, Prompt(row.id, (Piece(text, plain=True),)))
        found.append(Example(row.id, weights.encode(tokenizer, prompt), [*said, *stop] if said else []))
    _check(found, max_length, context or NO_LIMIT)
    return found


def pairs(
    rows: Iterable[Row],
    tokenizer: Any,
    prompting: Prompting,
    contract: Contract,
    max_length: int,
    *,
    context: int | None = None,
) -> list[Pair]:
    """Every row with its chosen and its rejected answer. Raises as `examples` does, for either of them, and T804 where
    the two are the same tokens: what they say may differ, what is trained on does not."""
    kept, how = list(rows), (tokenizer, prompting, contract, max_length)
    chosen = examples(kept, *how, context=context)
    rejected = examples(kept, *how, say=lambda row: contract.spell(row.rejected), context=context)
    made = [Pair(a.id, a.prompt, a.answer, b.answer) for a, b in zip(chosen, rejected, strict=True)]
    if same := [pair.id for pair in made if pair.chosen == pair.rejected]:
        message = f"the chosen and the rejected answer are written alike: {_rows(same)}"
        raise fail("T804", message, notes=_named(same), help="correct these rows or drop them: nothing is preferred")
    return made


def spelled(contract: Contract) -> Say:
    """The one answer of a row, whether it is right or not."""
    return lambda row: contract.write(row.output) if row.answered else contract.spell(row.rejected)


def stop_tokens(tokenizer: Any) -> list[int]:
    """What ends an answer: the special token that the chat template writes after one, else the tokenizer's own end."""
    text = stop_text(weights.chat_template(tokenizer)) or tokenizer.eos_token
    if not text:
        help = "choose a base model whose chat template or tokenizer names an end of turn"
        raise fail("T342", "the base model has no token that ends an answer", help=help)
    return weights.encode(tokenizer, Prompt("", (Piece(text),)))


def common_prefix(found: Sequence[Example]) -> int:
    """How many tokens all prompts begin with alike. Each keeps one of its own, which foretells the answer's first."""
    return shared_prefix([example.prompt for example in found])


def _check(found: Sequence[Example], max_length: int, context: int) -> None:
    problems = []
    if beyond := [example.id for example in found if len(example) > context]:
        help = "shorten the prompt or these rows, drop them, or choose a base model with a longer context"
        message = f"longer than the base model reads ({context} tokens): {_rows(beyond)}"
        problems.append(Diagnostic("T807", message, notes=_named(beyond), help=help, key="training.base_model"))
    if long := {example.id: len(example) for example in found if max_length < len(example) <= context}:
        help = f"set training.max_length to {max(long.values())}, or shorten the prompt or these rows"
        message = f"longer than training.max_length ({max_length} tokens): {_rows(list(long))}"
        problems.append(Diagnostic("T340", message, notes=_named(list(long)), help=help, key="training.max_length"))
    if silent := [example.id for example in found if not example.answer]:
        help = "correct these rows or drop them: an empty answer teaches nothing"
        problems.append(Diagnostic("T341", f"no token in the answer: {_rows(silent)}", notes=_named(silent), help=help))
    if problems:
        raise UserError(*problems)


def _rows(ids: Sequence[str]) -> str:
    return counted(len(ids), "row")


def _named(ids: Sequence[str]) -> tuple[str, ...]:
    more = f" and {len(ids) - NAMED} more" if len(ids) > NAMED else ""
    return (f"row ids: {', '.join(ids[:NAMED])}{more}; `tunec data show ID` tells file and line",)
