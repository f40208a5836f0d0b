"""The base model: its files, and what it can take."""

from __future__ import annotations

from collections.abc import Iterator

from compiler.checks._check import Found, Look, check, mapped
from compiler.checks.data import answer_columns
from compiler.checks.paths import unsafe
from compiler.resolve import did_you_mean
from stages.chat_templates import TEMPLATES
from stages.templating import placeholders

_NEEDS = {"package": ("package", "file"), "gguf": ("path",), "folder": ("path",), "hub": ("repo", "revision")}
_A_TOKEN = 4  # bytes of a token, about, as the gate `length` has it
# Bytes of a token: SmolLM2's tokenizer gives 4.8 in the middle of 954 long English texts, and 6.1 in one of a hundred.
_SURELY = 6


@check("T130")
def model_files_are_named(look: Look) -> Iterator[Found]:
    """A base model whose source lacks what it needs, or whose files are not there.

    Add the key, or bring the files.
    """
    model = look.task.base_model
    for name in _NEEDS[model.source]:
        if getattr(model, name) is None:
            yield Found(f"a {model.source} base model needs `{name}`", "base_model", f"add `{name}:` to base_model")
    if model.source in ("gguf", "folder") and model.path and not unsafe(model.path, look.workspace):
        path = model.path if model.source == "gguf" else f"{model.path}/config.json"
        if not look.workspace.glob(path):
            help = "put the model there, or name another one in training.base_model"
            yield Found(f"the base model `{model.path}` is not there", "base_model.path", help)


@check("T156", "warning")
def model_files_are_read(look: Look) -> Iterator[Found]:
    """A key of `base_model` that its source does not read, such as `path` of a Hub model.

    Remove it, or correct `source`.
    """
    model = look.task.base_model
    others = {name for names in _NEEDS.values() for name in names} - set(_NEEDS[model.source])
    for name in sorted(others):
        if getattr(model, name) is not None:
            help = "remove it, or correct `source`"
            yield Found(f"a {model.source} base model does not read `{name}`", f"base_model.{name}", help, key=True)


@check("T800")
def chat_template_is_there(look: Look) -> Iterator[Found]:
    """`training.chat_template` is neither a template that tunec brings nor a file of the workspace.

    Write `plain` (which needs no special token), `chatml`, or the path of a Jinja file; it counts from the folder of
    task.yaml.
    """
    name = look.task.training.chat_template
    if name and name not in TEMPLATES and not unsafe(name, look.workspace) and not look.workspace.glob(name):
        note = f"templates: {', '.join(TEMPLATES)}"
        help = did_you_mean(name, list(TEMPLATES)) or "choose one of these, or put the file there"
        yield Found(f"there is no chat template `{name}`", "training.chat_template", help, note)


@check("T149")
def rows_fit_the_context(look: Look) -> Iterator[Found]:
    """`training.max_length` is more than the base model reads.

    Positions that it never saw give no sense. Lower it, or choose a model with a longer context.
    """
    context, length = look.task.base_model.context_length, look.task.training.max_length
    if context and length > context:
        note = f"{look.task.training.base_model} reads {context:,} tokens"
        yield Found(f"max_length {length:,} is beyond the base model", "training.max_length", f"write {context}", note)


@check("T681", "warning")
def rows_fit_the_length(look: Look) -> Iterator[Found]:
    """A row that is longer than `training.max_length`, as far as the bytes of one of its texts tell.

    The training would refuse it, for it cuts nothing off; there the base model's own tokens count, of which a common
    one has four bytes, about. Raise `max_length` as far as the base model reads, shorten such rows, or have the gate
    `length` drop them.
    """
    length = look.task.training.max_length
    size, name, index, file = max(_longest_texts(look), default=(0, "", 0, ""))
    if size > _SURELY * length:
        note = f"a text of `{name}` has {size:,} bytes, about {size // _A_TOKEN:,} tokens"
        help = (
            f"raise max_length, or drop such rows: `data: {{length: {{max_tokens: {length}}}}}`; "
            "then `tunec data show length` names them"
        )
        at = "training.max_length" if look.written("training.max_length") else f"data.sources.{index}.path"
        yield Found(f"{file} has a row that is longer than training.max_length, {length:,} tokens", at, help, note)


def _longest_texts(look: Look) -> Iterator[tuple[int, str, int, str]]:
    """(bytes, column, index of the source, file) of every column that is trained on, as far as the gates let it."""
    data, read = look.task.data, placeholders(look.task.input_template)
    gated = data.gates.get("length", "reject") == "reject"
    for index, source, file, peek in look.peeks if look.shape != "texts" else ():
        for name in read | answer_columns(look, mapped(peek.columns, source)):
            size = peek.longest.get(source.map.get(name, name), 0)
            if source.role in (None, "train", "dev") and not (gated and size // _A_TOKEN > data.length.max_tokens):
                yield size, name, index, file


@check("T150")
def answers_fit_the_context(look: Look) -> Iterator[Found]:
    """`evaluation.max_new_tokens` leaves no room for a prompt in the base model's context.

    Lower it to what the longest answer needs.
    """
    context, answer = look.task.base_model.context_length, look.task.evaluation.max_new_tokens
    if context and answer >= context:
        note = f"{look.task.training.base_model} reads {context:,} tokens, prompt and answer together"
        help = "write what the longest answer needs"
        yield Found(f"{answer:,} new tokens leave no room for a prompt", "evaluation.max_new_tokens", help, note)


@check("T160", "warning")
def model_answers_at_once(look: Look) -> Iterator[Found]:
    """A base model that always reasons before it answers, for a contract that leaves no room for it.

    Its template opens a block of reasoning, and the contract's answer has none: training has to undo a habit. Choose an
    instruct model, or a text contract.
    """
    chat = look.task.base_model.chat
    if chat and chat.thinking == "always" and look.task.output_format.type != "text":
        message = f"`{look.task.training.base_model}` always thinks aloud, and the contract has no place for it"
        yield Found(message, "training.base_model", "choose an instruct model, such as qwen3-1-7b")
