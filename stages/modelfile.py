"""A Modelfile for Ollama whose template is the model's own chat template, read off what that template renders.

A chat template is Jinja, an Ollama template is Go. Rather than translate one language into the other, the chat template
is rendered with stand-ins for the system prompt, the user's message and the answer, and what stands between them is the
Go template. It is exact for one turn, which is all a specialist takes.
"""

from __future__ import annotations

import re

from stages.base import fail
from stages.chat import ChatTemplate

_SYSTEM, _USER, _ANSWER = "\ue000", "\ue001", "\ue002"


def modelfile(template: ChatTemplate, system: str | None, max_new_tokens: int) -> str:
    """The text of a Modelfile beside `model.gguf`. Raises T371 when the template hides the texts it is given."""
    lines = [
        "FROM ./model.gguf",
        f"TEMPLATE {_quoted(_go_template(template))}",
        "PARAMETER temperature 0",
        f"PARAMETER num_predict {max_new_tokens}",
        *(f"PARAMETER stop {_quoted(stop)}" for stop in [stop_text(template)] if stop),
        *([f"SYSTEM {_quoted(system)}"] if system else []),
    ]
    return "\n".join(lines) + "\n"


def stop_text(template: ChatTemplate) -> str:
    """What the template writes right after an answer, such as `<|im_end|>`: there a model must stop."""
    user = {"role": "user", "content": _USER}
    after = template.render([user, {"role": "assistant", "content": _ANSWER}], add_generation_prompt=False)
    rest = after.partition(_ANSWER)[2].lstrip()
    return next(
        (token for token in sorted(template.special_tokens, key=len, reverse=True) if rest.startswith(token)), ""
    )


def _go_template(template: ChatTemplate) -> str:
    user = {"role": "user", "content": _USER}
    with_system = template.render([{"role": "system", "content": _SYSTEM}, user])
    before, mark, rest = with_system.partition(_SYSTEM)
    between, shown, after = rest.partition(_USER)
    alone, found, after_alone = template.render([user]).partition(_USER)
    if not (found and mark and shown) or after != after_alone:
        help = "choose a base model with a chat template for system, user and assistant messages"
        raise fail("T371", "the base model's chat template does not show the messages that it is given", help=help)
    system = f"{{{{ if .System }}}}{before}{{{{ .System }}}}{between}{{{{ else }}}}{alone}{{{{ end }}}}"
    return f"{system}{{{{ .Prompt }}}}{after}"


def _quoted(text: str) -> str:
    """Ollama's triple quotes; a text that holds them itself would end them, so longer runs are broken up there."""
    return '"""' + re.sub('"{3,}', lambda run: " ".join(run[0]), text) + '"""'
