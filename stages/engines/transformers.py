"""The engine of weights that are no GGUF, or not yet: transformers in float32 on the CPU, for now also beside a GPU.

It knows no grammar, so the free answer is the answer.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from stages import progress
from stages.answers import Answer
from stages.base_model import Located
from stages.chat import ChatTemplate, Prompt, stop_text
from stages.diagnostics import fail
from stages.engines._labels import label_tokens
from stages.engines._prefix import shareable, shared_prefix
from stages.engines._text_scores import scores

# Tokens that end a turn by their name, as llama.cpp takes them to (llama-vocab.cpp), whatever the config says of them.
ENDINGS = {"<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|eom_id|>", "<|end|>", "<end_of_turn>", "<|end_of_text|>"}

LIBRARIES = ("torch", "transformers", "tokenizers", "safetensors", "peft")  # what its answers depend on
LEAST_BATCH = 64  # a step's cost is mostly its start, whatever the rows; llama.cpp is happy with fewer


@dataclass
class _Row:
    """One prompt on its way. tokens: its ids; answer: the ids so far."""

    index: int
    tokens: list[int]
    limit: int
    answer: list[int] = field(default_factory=list)
    finish: Literal["stop", "length"] | None = None


class Transformers:
    """A transformers folder or a GGUF, with or without a LoRA adapter on top.

    least_batch: rows that are decoded together, however few are asked for.
    """

    def __init__(
        self, weights: Path, adapter: Path | None = None, *, share_prefix: bool = True, least_batch: int = LEAST_BATCH
    ) -> None:
        from stages.weights import load

        self._model, self._tokenizer = load(Located(weights, gguf=weights.suffix == ".gguf"))
        if adapter is not None:
            from stages.adapter import add

            self._model = add(self._model, adapter)
        self._model.eval()
        self._ends = self._ending_tokens()
        # Other memories than plain keys and values are not cut or copied: a sliding window counts the padding between a
        # shared prefix and the rest of a row, and a convolution's state has no rows to choose from.
        self._plain = shareable(self._model)
        self._share_prefix = share_prefix and self._plain
        self._least_batch = least_batch

    def load(self) -> None:
        """The weights have been read when the engine was made."""

    def close(self) -> None:
        """Give back the weights. Nothing can be asked afterwards."""
        del self._model

    def chat_template(self) -> ChatTemplate:
        from stages.weights import chat_template

        return chat_template(self._tokenizer)

    def count_tokens(self, text: str) -> int:
        return len(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def encode(self, prompt: Prompt) -> list[int]:
        """The prompt's token ids, as in training."""
        from stages.weights import encode

        return encode(self._tokenizer, prompt)

    def answer(
        self,
        prompts: Sequence[Prompt],
        *,
        max_new_tokens: int,
        grammar: str | None = None,
        hopeless: Callable[[str], bool] = lambda text: False,
        sequences: int = 8,
    ) -> Iterator[Answer]:
        """See stages.answers.Engine; `grammar` is not applied. Raises T353 when a prompt exceeds the context."""
        import torch

        rows = [self._row(index, prompt, max_new_tokens) for index, prompt in enumerate(prompts)]
        by_length = sorted(rows, key=lambda row: len(row.tokens))
        done = 0
        with torch.inference_mode():
            prefix = self._read_prefix(rows)
            size = max(sequences, self._least_batch)
            for begin in range(0, len(rows), size):
                for _ in self._generate(by_length[begin : begin + size], prefix, hopeless):
                    done += 1
                    progress.tell(done, len(rows), progress.ANSWERED)
        for row, prompt in zip(rows, prompts, strict=True):
            text = self._text(row)
            yield Answer(prompt.id, text, text, len(row.answer), row.finish or "length")

    def context(self) -> int:
        from stages.weights import context_of

        return context_of(self._model)

    def label(self, prompts: Sequence[Prompt], labels: Sequence[str], *, sequences: int = 8) -> Iterator[Answer]:
        """See stages.answers.Engine: every label is scored whole. Raises T710 for a label without tokens, T353 for a
        prompt that exceeds the context.
        """
        import math

        texts = label_tokens(labels, lambda text: self._tokenizer(text, add_special_tokens=False)["input_ids"])
        ends = [[*tokens, self._end()] for tokens in texts]
        rows = [self._row(place, prompt, max(map(len, ends))) for place, prompt in enumerate(prompts)]
        prefix = self._read_prefix(rows)
        for count, (row, prompt) in enumerate(zip(rows, prompts, strict=True), start=1):
            said = scores(self._model, row.tokens, ends, prefix, masked=self._plain)
            best = max(range(len(labels)), key=lambda place: (said[place], -place))
            all_ = sum(math.exp(score - said[best]) for score in said)
            progress.tell(count, len(prompts), progress.ANSWERED)
            yield Answer(prompt.id, labels[best], None, len(texts[best]), "stop", confidence=round(1 / all_, 6))

    def margins(self, prompts: Sequence[Prompt], pairs: Sequence[tuple[str, str]]) -> Iterator[float]:
        """See stages.answers.Engine. The end of the answer counts as one of its tokens."""
        for prompt, pair in zip(prompts, pairs, strict=True):
            texts = [[*self._tokenizer(text, add_special_tokens=False)["input_ids"], self._end()] for text in pair]
            said = scores(self._model, self.encode(prompt), texts, self._read_prefix([]), masked=self._plain)
            better, worse = (score / len(text) for score, text in zip(said, texts, strict=True))
            yield better - worse

    def _end(self) -> int:
        """As llama.cpp has it: what the template writes after an answer, or the end of text."""
        stop = stop_text(self.chat_template())
        known = self._tokenizer.get_added_vocab()
        return int(known[stop]) if stop in known else min(self._ends)

    def _row(self, index: int, prompt: Prompt, max_new_tokens: int) -> _Row:
        tokens = self.encode(prompt)
        context = self.context()
        if not 0 < len(tokens) < context:
            raise fail(
                "T353",
                f"row {prompt.id}: its prompt has {len(tokens)} tokens, and the model reads {context}",
                help="shorten the input or input_template, or choose a base model with a longer context",
            )
        return _Row(index, tokens, min(max_new_tokens, context - len(tokens)))

    def _read_prefix(self, rows: Sequence[_Row]) -> tuple[int, Any]:
        """How many tokens all rows begin with alike, and their keys and values, for a batch of one."""
        import torch
        from transformers import DynamicCache

        length = shared_prefix([row.tokens for row in rows]) if self._share_prefix and rows else 0
        cache = DynamicCache(config=self._model.config)
        if length:
            with torch.inference_mode():
                ids = torch.tensor([rows[0].tokens[:length]])
                self._model(ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
        return length, cache

    def _generate(
        self, rows: Sequence[_Row], prefix: tuple[int, Any], hopeless: Callable[[str], bool]
    ) -> Iterator[_Row]:
        """Answer some rows together, padded on the left, after the prefix; gives each when it is finished."""
        import torch

        length, cache = prefix[0], copy.deepcopy(prefix[1])
        if length:
            cache.batch_repeat_interleave(len(rows))
        rests = [row.tokens[length:] for row in rows]
        most = max(map(len, rests))
        ids = torch.tensor([[0] * (most - len(rest)) + rest for rest in rests])
        mask = torch.tensor([[1] * length + [0] * (most - len(rest)) + [1] * len(rest) for rest in rests])
        positions = (mask.cumsum(1) - 1).clamp(min=0)[:, length:]
        active = list(rows)
        while not all(row.finish for row in active):
            out = self._model(
                ids,
                attention_mask=mask,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            ids = out.logits[:, -1:].argmax(-1)
            for row, token in zip(active, ids.flatten().tolist(), strict=True):
                if not row.finish:
                    self._take(row, token, hopeless)
                    yield from [row] if row.finish else []
            mask = torch.cat([mask, mask.new_ones(len(active), 1)], dim=1)
            positions = positions[:, -1:] + 1
            kept = [place for place, row in enumerate(active) if not row.finish]
            if self._plain and len(kept) < len(active):  # the others stay, and what they go on to say is ignored
                chosen = torch.tensor(kept, dtype=torch.long)
                cache.batch_select_indices(chosen)
                ids, mask, positions = ids[chosen], mask[chosen], positions[chosen]
                active = [active[place] for place in kept]

    def _take(self, row: _Row, token: int, hopeless: Callable[[str], bool]) -> None:
        if token in self._ends:
            row.finish = "stop"
            return
        row.answer.append(token)
        if len(row.answer) >= row.limit or hopeless(self._text(row).rstrip("\ufffd")):
            row.finish = "length"

    def _text(self, row: _Row) -> str:
        return str(self._tokenizer.decode(row.answer, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def _ending_tokens(self) -> frozenset[int]:
        """What ends an answer: by the configs, by the tokenizer, and by name."""
        found: set[int] = {id for token, id in self._tokenizer.get_added_vocab().items() if token in ENDINGS}
        configs = (self._model.config, getattr(self._model, "generation_config", None), self._tokenizer)
        for said in (getattr(config, "eos_token_id", None) for config in configs):
            found.update(said if isinstance(said, list) else [] if said is None else [said])
        return frozenset(found)
