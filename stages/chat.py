"""From a row to the exact text that a model sees: the same for training, for both engines, and for serving.

Two templates are at work. The task's `input_template` makes the user's message out of a row's fields; the base
model's own chat template makes the prompt out of the messages. Both are code from outside, so both are fenced:
the first may say only what takes linear time, the second runs in Jinja's sandbox under a deadline.
"""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Literal

from stages import templating
from stages.base import Key, Params
from stages.contract import Contract
from stages.diagnostics import fail
from stages.rows import dumps
from stages.templating import PLACEHOLDER, is_jinja

RENDER_SECONDS = 2.0
Mode = Literal["contract", "system", "none"]


class Prompting(Params):
    """What a model is prompted with.

    mode: contract (system prompt and the contract in words), system (the system prompt alone) or none; of variants that
    differ in it, variant -> mode.
    """

    input_template: Annotated[str, Key("input_template")]
    system_prompt: Annotated[str | None, Key("system_prompt")]
    mode: Annotated[Mode | dict[str, Mode], Key("training.prompt", varies=True)]

    def of(self, variant: str) -> Prompting:
        """What this variant is prompted with."""
        return self.model_copy(update={"mode": self.mode[variant]}) if isinstance(self.mode, dict) else self

    def system(self, contract: Contract) -> str | None:
        parts = [self.system_prompt] if self.system_prompt and self.mode != "none" else []
        if self.mode == "contract":
            parts.append(contract.describe())
        return "\n".join(part.strip() for part in parts) or None


@dataclass(frozen=True)
class Piece:
    """A run of prompt text. `plain`: special tokens in it are ordinary text, for they came out of a row."""

    text: str
    plain: bool = False


@dataclass(frozen=True)
class Prompt:
    """One row's whole prompt, ready for a tokenizer, up to where the answer begins.

    messages: (role, text) instead, for an engine that has its template elsewhere.
    """

    id: str
    pieces: tuple[Piece, ...]
    messages: tuple[tuple[str, str], ...] = ()

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces)


@dataclass(frozen=True)
class ChatTemplate:
    """A base model's chat template and the special tokens that it may write."""

    source: str
    special_tokens: tuple[str, ...]
    bos_token: str = ""
    eos_token: str = ""

    def render(self, messages: Sequence[dict[str, str]], *, add_generation_prompt: bool = True) -> str:
        """The messages as one text; with `add_generation_prompt`, up to where the assistant's answer begins."""
        import jinja2  # noqa: F401 - on a busy machine its import may take as long as a template is given

        with deadline(RENDER_SECONDS):
            try:
                return str(
                    _compiled(self.source).render(
                        messages=list(messages),
                        add_generation_prompt=add_generation_prompt,
                        bos_token=self.bos_token,
                        eos_token=self.eos_token,
                        enable_thinking=False,  # Qwen3 and its kind: answer at once
                    )
                )
            except TimeoutError:
                raise fail(
                    "T320",
                    f"the base model's chat template ran for more than {RENDER_SECONDS:g} s",
                    help="choose another base model, or name its file's origin: a template should take milliseconds",
                ) from None
            except _template_errors() as error:
                raise fail(
                    "T321",
                    f"the base model's chat template cannot be rendered: {error}",
                    help="choose a base model with a chat template for system, user and assistant messages",
                ) from None

    def prompt(self, id: str, system: str | None, user: str, shots: Sequence[tuple[str, str]] = ()) -> Prompt:
        """The prompt of one row. Special tokens inside the user's text, and inside those of `shots` (message and answer
        of examples that stand before it), are kept apart as plain text.
        """
        turns = [text for shot in shots for text in shot] + [user]
        marks = _marks(self.special_tokens, "\n".join(turns))
        for mark, token in marks.items():
            turns = [turn.replace(token, mark) for turn in turns]
        text = self.render(conversation(system, turns))
        if not marks:
            return Prompt(id, (Piece(text),))
        split = re.split("(" + "|".join(map(re.escape, marks)) + ")", text)
        return Prompt(id, tuple(Piece(marks.get(part, part), part in marks) for part in split if part))


def conversation(system: str | None, turns: Sequence[str]) -> list[dict[str, str]]:
    """Messages of the user and the assistant in turn, after the system's where there is one."""
    first = [{"role": "system", "content": system}] if system else []
    return first + [{"role": ("user", "assistant")[place % 2], "content": turn} for place, turn in enumerate(turns)]


def stop_text(template: ChatTemplate) -> str:
    """What the template writes right after an answer, such as `<|im_end|>`: there a model must stop."""
    asked, said = "\ue000", "\ue001"
    after = template.render(
        [{"role": "user", "content": asked}, {"role": "assistant", "content": said}], add_generation_prompt=False
    )
    rest = after.partition(said)[2].lstrip()
    return next(
        (token for token in sorted(template.special_tokens, key=len, reverse=True) if rest.startswith(token)), ""
    )


def user_message(template: str, fields: dict[str, Any]) -> str:
    """The user's message: a row's fields in the task's template. Texts stand as they are, other values as JSON.

    A template with `{{` or `{%` is Jinja, of which only loops one deep, conditions and a few filters are allowed;
    any other has `{field}` placeholders.
    """
    if is_jinja(template):
        return templating.render(template, fields)
    return PLACEHOLDER.sub(lambda m: _text(fields[m[1]]) if m[1] in fields else m[0], template).strip()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else dumps(value)


def _marks(special_tokens: Sequence[str], text: str) -> dict[str, str]:
    """A private-use stand-in for each special token that the text holds; longest tokens first."""
    present = sorted((t for t in special_tokens if t and t in text), key=lambda t: (-len(t), t))
    free = (chr(code) for code in range(0xE000, 0xF8FF) if chr(code) not in text)
    return {next(free): token for token in present}


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Raise TimeoutError inside the block after `seconds`. Only the main thread can be interrupted so."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def stop(signum: int, frame: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _template_errors() -> tuple[type[Exception], ...]:
    from jinja2 import TemplateError

    broken = (TypeError, ValueError, ArithmeticError, LookupError, AttributeError)
    return (TemplateError, *broken, MemoryError, RuntimeError)  # too much recursion is one


@lru_cache(maxsize=8)
def _compiled(source: str) -> Any:
    from stages.sandbox import compiled

    return compiled(source)
