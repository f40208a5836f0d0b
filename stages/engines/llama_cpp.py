"""The engine of what is shipped: a GGUF file through llama.cpp, many rows at a time.

Source: llama.cpp's examples/parallel (continuous batching) and common/sampling.cpp (one-candidate grammar check).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from stages import gguf_header, progress
from stages.answers import Answer
from stages.base import fail
from stages.chat import ChatTemplate, Prompt

if TYPE_CHECKING:
    from stages.engines._llama_batch import Done, Job
    from stages.engines._llama_native import Model

LIBRARIES = ("llama-cpp-python",)  # what its answers depend on
CONTROL = 3  # the token type of control tokens in tokenizer.ggml.token_type


class LlamaCpp:
    """A GGUF file that answers. Raises T350 when the file is damaged, T351 when llama.cpp will not load it."""

    def __init__(self, weights: Path, *, share_prefix: bool = True) -> None:
        self._share_prefix = share_prefix
        self._metadata = gguf_header.read(weights).metadata
        self._name = weights.name
        self._path = weights

    @cached_property
    def _model(self) -> Model:
        """Loaded when first needed: the chat template stands in the header."""
        from stages.engines._llama_native import Model

        return Model(self._path)

    def load(self) -> None:
        """Raises T351. Only a chat template can be had without."""
        _ = self._model

    def close(self) -> None:
        """Give back the native memory. Nothing can be asked afterwards."""
        if "_model" in self.__dict__:
            self._model.close()

    def chat_template(self) -> ChatTemplate:
        source = self._metadata.get("tokenizer.chat_template")
        if not isinstance(source, str) or not source.strip():
            raise fail(
                "T323",
                f"{self._name} has no chat template",
                help="choose an instruction-tuned base model, whose files hold tokenizer.chat_template",
            )
        tokens, kinds = self._metadata["tokenizer.ggml.tokens"], self._metadata.get("tokenizer.ggml.token_type", [])
        special = tuple(token for token, kind in zip(tokens, kinds, strict=False) if kind == CONTROL)
        return ChatTemplate(source, special, self._special("bos"), self._special("eos"))

    def _special(self, name: str) -> str:
        tokens, token = self._metadata["tokenizer.ggml.tokens"], self._metadata.get(f"tokenizer.ggml.{name}_token_id")
        return tokens[token] if token is not None and token < len(tokens) else ""

    def count_tokens(self, text: str) -> int:
        return len(self._model.tokenize(text, special=True))

    def encode(self, prompt: Prompt) -> list[int]:
        """The prompt's token ids. In a plain piece the name of a special token is ordinary text.

        No beginning-of-text token is put before it, even where the GGUF says add_bos_token: a chat template writes
        its own, and transformers too adds none to a rendered template (apply_chat_template tokenizes with
        add_special_tokens=False), so training has seen it so.
        """
        return [t for piece in prompt.pieces for t in self._model.tokenize(piece.text, special=not piece.plain)]

    def answer(
        self,
        prompts: Sequence[Prompt],
        *,
        max_new_tokens: int,
        grammar: str | None = None,
        hopeless: Callable[[str], bool] = lambda text: False,
        sequences: int = 8,
    ) -> Iterator[Answer]:
        """See stages.answers.Engine. Raises T352 for a refused grammar, T353 when a prompt exceeds the context."""
        from stages.engines import _llama_batch as batch
        from stages.engines._llama_native import Grammar

        if not prompts:
            return
        jobs = [self._job(index, prompt, max_new_tokens) for index, prompt in enumerate(prompts)]
        parsed = Grammar.parse(self._model, grammar) if grammar is not None else None
        request = batch.Request(parsed, hopeless, sequences, self._share_prefix)
        try:
            yield from _in_order(prompts, batch.answer(self._model, jobs, request))
        finally:
            if parsed:
                parsed.close()

    def _job(self, index: int, prompt: Prompt, max_new_tokens: int) -> Job:
        from stages.engines._llama_batch import Job

        tokens = self.encode(prompt)
        room = self._model.context - len(tokens)
        if room < 1 or not tokens:
            raise fail(
                "T353",
                f"row {prompt.id}: its prompt has {len(tokens)} tokens, and the model reads {self._model.context}",
                help="shorten the input or input_template, or choose a base model with a longer context",
            )
        return Job(index, tokens, min(max_new_tokens, room))


def _in_order(prompts: Sequence[Prompt], finished: Iterator[Done]) -> Iterator[Answer]:
    """Answers in the order of the prompts, each as soon as all before it are there."""
    early: dict[int, Done] = {}
    given = 0
    for count, done in enumerate(finished, start=1):
        progress.tell(count, len(prompts), "rows answered")
        early[done.index] = done
        while given in early:
            done = early.pop(given)
            yield Answer(prompts[given].id, done.text.text, done.free.text, done.text.tokens, done.text.finish)
            given += 1
