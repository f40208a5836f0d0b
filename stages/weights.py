"""Weights and tokenizer of a base model in transformers, from a GGUF file or a transformers folder."""

from __future__ import annotations

import errno
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Literal

from stages.base_model import Located
from stages.chat import ChatTemplate, Prompt
from stages.diagnostics import UserError, fail
from stages.foreign_code import refuse_code

_FOLDERS = re.compile(r"(?<![\w.:/])/(?:[^\s/'\"]+/)+")  # /home/anna/models/ of a path on this machine
Device = Literal["cpu", "cuda"]


def load(located: Located, *, device: Device = "cpu", dtype: Any = None, quantization: Any = None) -> tuple[Any, Any]:
    """A causal language model and its tokenizer; float32 on the CPU, bfloat16 on a GPU.

    dtype: another type of numbers. quantization: transformers' config of one, for weights that are held in fewer bits.
    Raises T323 without a chat template, T334 when the folder wants to run code of its own, T336 when transformers
    cannot read it, T667 and T668 for a tokenizer that does not serve the model.
    Source: bfloat16 on a CPU without its instructions is ten times slower than float32 (design, measured facts).
    """
    from transformers import AutoModelForCausalLM

    _quiet()
    folder, how = _place(located)
    with _readable(located):
        tokenizer = _tokenizer(located)
        safe: dict[str, Any] = {} if located.gguf else {"use_safetensors": True}
        if quantization is not None:
            safe |= {"quantization_config": quantization, "device_map": {"": device}}
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype or dtype_of(device), **how, **safe)
        _check_vocabulary(tokenizer, model)
    model = _as_if_from_a_folder(model) if located.gguf else model
    if quantization is None:
        return model.to(device), tokenizer
    _leave_the_file(model)
    return model, tokenizer


def _leave_the_file(model: Any) -> None:
    """Copy what was not quantized. It lies in the mapped file, which would stay in memory whole for its sake."""
    for tensor in model.parameters():
        if tensor.is_floating_point():
            tensor.data = tensor.data.clone()


def tokenizer_of(located: Located) -> Any:
    """The tokenizer alone, without the weights. Raises as `load` does."""
    _quiet()
    with _readable(located):
        return _tokenizer(located)


def _tokenizer(located: Located) -> Any:
    from transformers import AutoTokenizer

    if not located.gguf:
        refuse_code(located.path)
    folder, how = _place(located)
    tokenizer = AutoTokenizer.from_pretrained(folder, **how)
    if located.template:
        tokenizer.chat_template = located.template.read_text(encoding="utf-8")
    chat_template(tokenizer)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if tokenizer.pad_token is None:
        help = "choose another base model, or name `eos_token` in its tokenizer_config.json"
        raise fail("T667", "the tokenizer names no token to pad with and none that ends a text", help=help)
    return tokenizer


def _place(located: Located) -> tuple[Path, dict[str, Any]]:
    """The folder that transformers reads, and how."""
    how: dict[str, Any] = {"trust_remote_code": False}
    return (located.path.parent, {**how, "gguf_file": located.path.name}) if located.gguf else (located.path, how)


def _check_vocabulary(tokenizer: Any, model: Any) -> None:
    """A token without weights would end a training in the middle, or be read from another one's."""
    most, held = max(tokenizer.get_vocab().values()), model.get_input_embeddings().weight.shape[0]
    if most >= held:
        message = f"the tokenizer's tokens go up to {most:,}, and the model has weights for {held:,}"
        raise fail("T668", message, help="bring the tokenizer that the model was made with")


def training_device() -> Device:
    """Where training runs: on a GPU that computes in bfloat16, where there is one."""
    import torch

    return "cuda" if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "cpu"


def rounds(device: Device) -> bool:
    """Whether training is to multiply by frozen weights in bfloat16: on a processor with AMX, where float32 takes three
    times as long. On a GPU the whole model is in bfloat16 anyway."""
    import torch

    told: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()  # an older torch does not tell
    return device == "cpu" and bool(told.get("amx_bf16")) and hasattr(torch.backends.mkldnn, "matmul")


def chat_template(tokenizer: Any) -> ChatTemplate:
    """The tokenizer's own chat template. Raises T323 when it has none."""
    if not isinstance(tokenizer.chat_template, str) or not tokenizer.chat_template:
        help = "choose the instruct model of the family, or bring one: training.chat_template: plain, or a Jinja file"
        raise fail("T323", "the base model has no chat template", help=help)
    special = sorted({token.content for token in tokenizer.added_tokens_decoder.values() if token.special})
    return ChatTemplate(tokenizer.chat_template, tuple(special), tokenizer.bos_token or "", tokenizer.eos_token or "")


def context_of(model: Any) -> int:
    """The tokens that a model reads at most, prompt and answer together; a very large number where it does not say."""
    return int(getattr(model.config.get_text_config(), "max_position_embeddings", None) or 2**31)


def encode(tokenizer: Any, prompt: Prompt) -> list[int]:
    """Token ids of a prompt. Special tokens count as such only where the template wrote them; no BOS is added."""
    found: list[int] = []
    for piece in prompt.pieces:
        found += tokenizer.encode(piece.text, add_special_tokens=False, split_special_tokens=piece.plain)
    return found


def dtype_of(device: Device) -> Any:
    import torch

    return torch.bfloat16 if device == "cuda" else torch.float32


@contextmanager
def _readable(located: Located) -> Iterator[None]:
    """What goes wrong inside is the files' fault, or that of a transformers that is too old for them: T336."""
    from stages.gguf_parsing import parsed_once

    try:
        with parsed_once() if located.gguf else nullcontext():
            yield
    except (UserError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        help = "bring a whole transformers folder with .safetensors weights, or a GGUF, of a model transformers knows"
        raise fail("T336", f"the base model cannot be loaded: {_reason(error, located.path)}", help=help) from error


def _reason(error: Exception, path: Path) -> str:
    """The first line of an error, with the names of files alone."""
    said = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return _FOLDERS.sub("", said.replace(str(path), path.name))[:300]


def _as_if_from_a_folder(model: Any) -> Any:
    """The same weights in a fresh model: one that was read from a GGUF refuses to be saved."""
    from transformers.initialization import no_init_weights

    config = model.config
    for attribute in ("quantization_config", "_pre_quantization_dtype"):
        if hasattr(config, attribute):
            delattr(config, attribute)
    with no_init_weights():
        fresh = type(model)(config).to(model.dtype)
    fresh.load_state_dict(model.state_dict())
    fresh.tie_weights()
    fresh.generation_config = model.generation_config
    return fresh


def _quiet() -> None:
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    logging.getLogger("transformers").setLevel(logging.ERROR)
