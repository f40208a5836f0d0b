"""Chat templates for base models that have none: two that tunec brings, or a file of the workspace."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from stages.diagnostics import UserError, fail

# plain writes no special token but the model's own beginning and end of a text, so any tokenizer will do.
TEMPLATES: Mapping[str, str] = {
    "plain": (
        "{{ bos_token }}{% for message in messages %}"
        "{% if message['role'] == 'assistant' %}{{ '### Answer:\n' + message['content'] + eos_token + '\n\n' }}"
        "{% else %}{{ message['content'] + '\n\n' }}{% endif %}"
        "{% endfor %}{% if add_generation_prompt %}{{ '### Answer:\n' }}{% endif %}"
    ),
    "chatml": (
        "{% for message in messages %}"
        "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    ),
}
_SYSTEM, _USER, _ANSWER = "\ue000", "\ue001", "\ue002"


def own_template(name: str | None, file: Path | None) -> str | None:
    """The text of the task's chat template; None where it brings none. Raises T801 for one that cannot be used."""
    if name is None:
        return None
    if file is None:
        return TEMPLATES[name]
    try:
        source = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise _unusable(file, "it is no UTF-8 text") from None
    check(file, source)
    return source


def check(file: Path, source: str) -> None:
    """Raises T801 unless a prompt shows system prompt and message in their order, and a whole turn the answer too."""
    from stages.chat import ChatTemplate, conversation  # the compiler reads the names alone

    template = ChatTemplate(source, (), "<s>", "</s>")
    turns = conversation(_SYSTEM, [_USER])
    try:
        asked = template.render(turns)
        told = template.render([*turns, {"role": "assistant", "content": _ANSWER}], add_generation_prompt=False)
    except UserError as error:
        raise _unusable(file, error.diagnostics[0].message.partition(": ")[2] or "it runs too long") from None
    for text, order in ((asked, _SYSTEM + _USER), (told, _SYSTEM + _USER + _ANSWER)):
        if "".join(letter for letter in text if letter in (_SYSTEM, _USER, _ANSWER)) != order:
            raise _unusable(file, "it does not show system prompt, message and answer once each, in this order")


def _unusable(file: Path, why: str) -> UserError:
    help = "mend the file; `messages`, `bos_token`, `eos_token` and `add_generation_prompt` are what it may speak of"
    return fail("T801", f"the chat template {file.name} cannot be used: {why}", help=help, file=file.as_posix())
