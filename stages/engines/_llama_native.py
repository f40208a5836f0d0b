"""llama.cpp's C API as a few objects that own their native memory and give it back.

Each object frees itself on `close`, and at the latest when Python ends; closing twice does nothing.
Source: llama.h of llama.cpp as bound by llama-cpp-python 0.3.36.
"""

from __future__ import annotations

import ctypes
import os
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stages.diagnostics import fail
from stages.threads import idle_cores

Logits = npt.NDArray[np.float32]
SEQUENCES = 256  # that a context may know: LLAMA_MAX_SEQ
TOP = (64, 1024)  # candidates that the grammar is asked about, when it has refused the best one, before all the others
_ERROR = 3  # GGML_LOG_LEVEL_ERROR
_complaints: list[str] = []


@lru_cache(maxsize=1)
def library() -> Any:
    """The low-level binding, silenced. Raises T361 when it is not installed."""
    try:
        from llama_cpp import llama_cpp
    except (ImportError, OSError, RuntimeError) as error:  # the last two when its own library is broken
        help = "pip install llama-cpp-python (it compiles for minutes)"
        raise fail("T361", f"llama.cpp cannot be loaded: {error}", help=help) from None
    llama_cpp.llama_log_set(_listener(llama_cpp), ctypes.c_void_p(0))
    llama_cpp.llama_backend_init()
    return llama_cpp


def _listener(llama_cpp: Any) -> Any:
    """A log callback that prints nothing and keeps the errors, for the one who has to explain a failure."""
    global _keep

    def hear(level: int, text: bytes, _: object) -> None:
        if level == _ERROR:
            _complaints.append(text.decode("utf-8", "replace").strip())
            del _complaints[:-8]

    _keep = llama_cpp.llama_log_callback(hear)  # native code holds the bare address, so somebody must hold the object
    return _keep


_keep: Any = None


def complaints() -> tuple[str, ...]:
    """What llama.cpp has complained of since this was last asked."""
    said = tuple(_complaints)
    _complaints.clear()
    return said


@contextmanager
def _native_stderr() -> Iterator[list[str]]:
    """Catch what native code writes to the process's standard error inside the block, line by line."""
    said: list[str] = []
    with tempfile.TemporaryFile() as caught:
        before = os.dup(2)
        os.dup2(caught.fileno(), 2)
        try:
            yield said
        finally:
            os.dup2(before, 2)
            os.close(before)
            caught.seek(0)
            said += caught.read().decode("utf-8", "replace").splitlines()


class Model:
    """A GGUF file's weights and vocabulary, mapped into memory. Raises T351 when llama.cpp will not load it."""

    def __init__(self, path: Path) -> None:
        self.lib = library()
        complaints()
        params = self.lib.llama_model_default_params()
        params.n_gpu_layers = 0
        pointer = self.lib.llama_model_load_from_file(os.fsencode(path), params)
        if not pointer:
            raise fail(
                "T351",
                f"llama.cpp cannot load {path.name}",
                notes=tuple(line.replace(str(path), path.name) for line in complaints()),
                help="check that llama-cpp-python knows this model's architecture, or upgrade it",
            )
        self.pointer = pointer
        self.close = weakref.finalize(self, self.lib.llama_model_free, pointer)
        self.vocab = self.lib.llama_model_get_vocab(pointer)
        self.vocabulary: int = self.lib.llama_vocab_n_tokens(self.vocab)
        self.context: int = self.lib.llama_model_n_ctx_train(pointer)
        # A recurrent state holds all that was read in one, so that its end cannot be taken off.
        self.forgets_in_part = not (
            self.lib.llama_model_is_recurrent(pointer) or self.lib.llama_model_is_hybrid(pointer)
        )
        self.threads = idle_cores()
        self._pieces: dict[int, bytes] = {}

    def tokenize(self, text: str, *, special: bool) -> list[int]:
        """Token ids. special: whether the names of special tokens in `text` mean those tokens."""
        data = text.encode("utf-8", "replace")
        room = len(data) + 8
        buffer = (ctypes.c_int32 * room)()
        count = self.lib.llama_tokenize(self.vocab, data, len(data), buffer, room, False, special)
        if count < 0:  # cannot be for tokens of a byte or more; the API allows it all the same
            buffer = (ctypes.c_int32 * -count)()
            count = self.lib.llama_tokenize(self.vocab, data, len(data), buffer, -count, False, special)
        return buffer[:count]

    def piece(self, token: int) -> bytes:
        """The bytes that a token writes into an answer: none for a special token."""
        if token not in self._pieces:
            buffer = ctypes.create_string_buffer(64)
            count = self.lib.llama_token_to_piece(self.vocab, token, buffer, len(buffer), 0, False)
            if count < 0:
                buffer = ctypes.create_string_buffer(-count)
                count = self.lib.llama_token_to_piece(self.vocab, token, buffer, len(buffer), 0, False)
            self._pieces[token] = buffer.raw[:count]
        return self._pieces[token]

    def ends(self, token: int) -> bool:
        """Whether the token ends the answer: end of text, end of turn and their kind."""
        return bool(self.lib.llama_vocab_is_eog(self.vocab, token))


class Grammar:
    """How far a text has come in a grammar. Raises T352 when llama.cpp refuses the grammar."""

    def __init__(self, model: Model, pointer: Any) -> None:
        self._model, self._lib, self._pointer = model, model.lib, pointer
        self._one = _candidates(model.lib, 1)
        self.close = weakref.finalize(self, model.lib.llama_sampler_free, pointer)

    @classmethod
    def parse(cls, model: Model, text: str) -> Grammar:
        complaints()
        pointer = None
        with _native_stderr() as said:  # its grammar parser writes there, past the log
            if text.strip() and "\0" not in text:  # llama.cpp takes an empty grammar for none at all
                pointer = model.lib.llama_sampler_init_grammar(model.vocab, text.encode(), b"root")
        if not pointer:
            raise fail(
                "T352",
                "llama.cpp refuses the grammar that was made of the output schema",
                notes=(*said[:1], *complaints()),
                help="write the schema of output_format with simpler means (no deep nesting, no unusual pattern)",
            )
        return cls(model, pointer)

    def fresh(self) -> Grammar:
        """A copy that stands where this one stands."""
        return Grammar(self._model, self._lib.llama_sampler_clone(self._pointer))

    def accepts(self, token: int) -> bool:
        """Whether the text may go on with this token. A special token writes nothing, so only an ending one may."""
        if not self._model.piece(token) and not self._model.ends(token):
            return False
        candidate = self._one.data[0]
        candidate.id, candidate.logit = token, 0.0
        self._lib.llama_sampler_apply(self._pointer, ctypes.byref(self._one))
        return bool(self._one.data[0].logit == 0.0)

    def advance(self, token: int) -> None:
        """Go on with a token that was accepted. Any other would end the process, inside llama.cpp."""
        self._lib.llama_sampler_accept(self._pointer, token)

    def best(self, logits: Logits) -> int | None:
        """The accepted token of the highest logit; None when the grammar accepts no token of the vocabulary."""
        for count in TOP:
            if count < len(logits):
                token = self._best_of(np.sort(np.argpartition(logits, -count)[-count:]), logits)
                if token is not None:
                    return token
        return self._best_of(np.arange(len(logits)), logits)

    def _best_of(self, tokens: npt.NDArray[np.int64], logits: Logits) -> int | None:
        """The accepted one of `tokens` with the highest logit. One call asks about all: each call reads every stack."""
        array = _candidates(self._lib, len(tokens))
        fields = np.ctypeslib.as_array(array.data, (len(tokens),))
        fields["id"], fields["logit"] = tokens, logits[tokens]
        self._lib.llama_sampler_apply(self._pointer, ctypes.byref(array))
        accepted = fields["logit"]
        while np.isfinite(accepted[place := int(accepted.argmax())]):
            token = int(tokens[place])
            if self._model.piece(token) or self._model.ends(token):
                return token
            accepted[place] = -np.inf
        return None


def _candidates(lib: Any, count: int) -> Any:
    buffer = (lib.llama_token_data * count)()
    return lib.llama_token_data_array(data=buffer, size=count, selected=-1, sorted=False)


class Batch:
    """Tokens for one decoding call, in arrays of our own: `room` tokens, each in one sequence."""

    def __init__(self, lib: Any, room: int) -> None:
        self.room, self.size = room, 0
        self.tokens, self.positions, self.sequences, counts = (np.zeros(room, np.int32) for _ in range(4))
        counts[:] = 1
        self.wanted = np.zeros(room, np.int8)
        base, step = self.sequences.ctypes.data, self.sequences.itemsize
        int32 = ctypes.POINTER(ctypes.c_int32)
        pointers = (int32 * room)(*(ctypes.cast(base + i * step, int32) for i in range(room)))
        self.native = lib.llama_batch(
            n_tokens=0,
            token=self.tokens.ctypes.data_as(int32),
            embd=None,
            pos=self.positions.ctypes.data_as(int32),
            n_seq_id=counts.ctypes.data_as(int32),
            seq_id=pointers,
            logits=self.wanted.ctypes.data_as(ctypes.POINTER(ctypes.c_int8)),
        )
        self._alive = (counts, pointers)

    def clear(self) -> None:
        self.size = 0

    def add(self, tokens: Sequence[int], position: int, sequence: int, *, logits: bool) -> int:
        """Append tokens of one sequence; returns the place of the last. logits: whether that one is asked for them."""
        begin, end = self.size, self.size + len(tokens)
        self.tokens[begin:end] = tokens
        self.positions[begin:end] = range(position, position + len(tokens))
        self.sequences[begin:end] = sequence
        self.wanted[begin:end] = 0
        self.wanted[end - 1] = logits
        self.size = self.native.n_tokens = end
        return end - 1


class Context:
    """The key-value cache of one model for some sequences, and the decoding into it.

    cells: tokens that the cache holds of each sequence; of all together where it is unified. watch: a callback that is
    told of every step.
    """

    def __init__(
        self, model: Model, *, cells: int, sequences: int, batch: int, unified: bool = False, watch: Any = None
    ) -> None:
        self.model, self.lib = model, model.lib
        params = self.lib.llama_context_default_params()
        params.n_ctx, params.n_seq_max = cells if unified else cells * sequences, sequences
        params.n_batch = params.n_ubatch = batch
        params.n_threads = params.n_threads_batch = model.threads
        # Apart, a sequence looks at its own cells alone: 32 of them decode 40% more tokens a second. Unified, a token
        # may stand in several of them.
        params.kv_unified = unified
        # Flash attention stays at llama.cpp's own default (on, where it can), as in its server: what is measured is
        # what is served. It answers half as many rows again. Over one cache with several rows' branches it is three
        # times as slow: it looks at every cell, those of the others too.
        if unified:
            params.flash_attn_type = self.lib.LLAMA_FLASH_ATTN_TYPE_DISABLED
        params.no_perf = True
        if watch is not None:
            params.cb_eval = watch
        complaints()
        pointer = self.lib.llama_init_from_model(model.pointer, params)
        if not pointer:
            raise fail(
                "T351",
                f"llama.cpp has no memory for {sequences} sequences of {cells} tokens{' together' if unified else ''}",
                notes=complaints(),
                help="lower evaluation.sequences or evaluation.max_new_tokens, or shorten the prompt",
            )
        self.pointer = pointer
        self.close = weakref.finalize(self, self.lib.llama_free, pointer)
        self._memory = self.lib.llama_get_memory(pointer)

    def decode(self, batch: Batch) -> None:
        code = self.lib.llama_decode(self.pointer, batch.native)
        if code:
            raise RuntimeError(f"llama_decode gave {code}: {'; '.join(complaints())}")

    def logits(self, place: int) -> Logits:
        """The logits after the batch's token at `place`: float32, (vocabulary,), valid until the next decode."""
        return np.ctypeslib.as_array(self.lib.llama_get_logits_ith(self.pointer, place), (self.model.vocabulary,))

    def copy(self, source: int, target: int) -> None:
        """Let `target` hold what `source` holds, and nothing else."""
        self.lib.llama_memory_seq_cp(self._memory, source, target, -1, -1)

    def forget(self, sequence: int, kept: int = 0) -> None:
        """Let a sequence forget all but its first `kept` tokens."""
        self.lib.llama_memory_seq_rm(self._memory, sequence, kept, -1)
