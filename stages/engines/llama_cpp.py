"""The engine of what is shipped: a GGUF file through llama.cpp, many rows at a time.

Source: llama.cpp's examples/parallel (continuous batching) and common/sampling.cpp (one-candidate grammar check).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, TypeVar

from stages import gguf_header, progress
from stages.answers import Answer
from stages.chat import ChatTemplate, Prompt, stop_text
from stages.diagnostics import fail
from stages.engines._labels import label_tokens

if TYPE_CHECKING:
    from stages.engines._llama_batch import Done, Job
    from stages.engines._llama_native import Model

T = TypeVar("T")
LIBRARIES = ("llama-cpp-python",)  # what its answers depend on
CONTROL = 3  # the token type of control tokens in tokenizer.ggml.token_type


class LlamaCpp:
    """A GGUF file that answers. Raises T350 when the file is damaged, T351 when llama.cpp will not load it."""

    def __init__(self, weights: Path, *, share_prefix: bool = True) -> None:
        self._share_prefix = share_prefix
        self._metadata = gguf_header.read(weights).metadata
        self._name = weights.name
        self.seconds: list[float] = []  # that each row took, of those that were answered one at a time
        self._path = weights

    @property
    def model(self) -> Model:
        """The weights themselves, for those who look deeper than answers."""
        return self._model

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
                help="choose an instruction-tuned base model, or bring a template in training.chat_template",
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
        finished = batch.answer(self._model, jobs, request)
        try:
            yield from _in_order(prompts, self._clocked(finished) if sequences == 1 else finished)
        finally:
            if parsed:
                parsed.close()

    def _clocked(self, finished: Iterator[T]) -> Iterator[T]:
        """The same, with the time that each took written down."""
        before = perf_counter()
        for done in finished:
            now = perf_counter()
            self.seconds.append(now - before)
            yield done
            before = perf_counter()

    def context(self) -> int:
        return self._model.context

    def label(self, prompts: Sequence[Prompt], labels: Sequence[str], *, sequences: int = 8) -> Iterator[Answer]:
        """See stages.answers.Engine. Raises T710 for a label without tokens, T353 when a prompt and the longest label
        exceed the context, T711 for a recurrent model: that copies of its state go on alike has not been shown.
        """
        from stages.engines import _llama_labels as likely

        if not prompts:
            return
        if not self._model.forgets_in_part:
            help = "write `evaluation: {decoding: constrained}`"
            raise fail(
                "T711", f"{self._name} is recurrent, and tunec has not tried its labels by likelihood", help=help
            )
        texts = label_tokens(labels, lambda text: self._model.tokenize(text, special=False))
        longest = max(map(len, texts))
        asked = [self._fitting(prompt, longest) for prompt in prompts]
        share = self._share_prefix
        found = likely.search(self._model, asked, texts, self._end(), sequences=sequences, share=share)
        scored: dict[int, likely.Found] = {}
        for count, one in enumerate(self._clocked(found) if sequences == 1 else found, start=1):
            progress.tell(count, len(prompts), progress.ANSWERED)
            scored[one.index] = one
        for index, prompt in enumerate(prompts):
            one = scored[index]
            sure = round(one.confidence, 6)
            yield Answer(prompt.id, labels[one.label], None, len(texts[one.label]), "stop", confidence=sure)

    def margins(self, prompts: Sequence[Prompt], pairs: Sequence[tuple[str, str]]) -> Iterator[float]:
        """See stages.answers.Engine. The end of the answer counts as one of its tokens."""
        from stages.engines._llama_forced import forced, likelihood

        end = self._end()
        asked = [
            (self.encode(prompt), [*self._model.tokenize(text, special=False), end])
            for prompt, pair in zip(prompts, pairs, strict=True)
            for text in pair
        ]
        said = (
            likelihood(logits, answer) for logits, (_, answer) in zip(forced(self._model, asked), asked, strict=True)
        )
        yield from (better - worse for better, worse in zip(said, said, strict=True)) if asked else ()

    def _end(self) -> int:
        """The token that ends an answer in this model's own template; its end of text where the template has none."""
        stop = self._model.tokenize(stop_text(self.chat_template()), special=True)
        lib, vocab = self._model.lib, self._model.vocab
        return stop[0] if stop else int(lib.llama_vocab_eos(vocab))

    def _job(self, index: int, prompt: Prompt, max_new_tokens: int) -> Job:
        from stages.engines._llama_batch import Job

        tokens = self._fitting(prompt, 1)
        return Job(index, tokens, min(max_new_tokens, self._model.context - len(tokens)))

    def _fitting(self, prompt: Prompt, answer: int) -> list[int]:
        """The prompt's tokens, where an answer of so many has room behind them."""
        tokens = self.encode(prompt)
        if tokens and len(tokens) + answer <= self._model.context:
            return tokens
        behind = f", the longest answer {answer}" if answer > 1 else ""
        raise fail(
            "T353",
            f"row {prompt.id}: its prompt has {len(tokens)} tokens{behind}, and the model reads {self._model.context}",
            help="shorten the input or input_template, or choose a base model with a longer context",
        )


def _in_order(prompts: Sequence[Prompt], finished: Iterator[Done]) -> Iterator[Answer]:
    """Answers in the order of the prompts, each as soon as all before it are there."""
    early: dict[int, Done] = {}
    given = 0
    for count, done in enumerate(finished, start=1):
        progress.tell(count, len(prompts), progress.ANSWERED)
        early[done.index] = done
        while given in early:
            done = early.pop(given)
            yield Answer(prompts[given].id, done.text.text, done.free.text, done.text.tokens, done.text.finish)
            given += 1
