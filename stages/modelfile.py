"""A Modelfile for Ollama whose template is the model's own chat template, read off what that template renders.

A chat template is Jinja, an Ollama template is Go. Rather than translate one language into the other, the chat template
is rendered with stand-ins for the system prompt, the user's message and the answer, and what stands between them is the
Go template. It is exact for one turn, which is all a specialist takes.
"""

from __future__ import annotations

import re

from stages.chat import ChatTemplate, stop_text
from stages.diagnostics import UserError, fail

_SYSTEM, _USER = "\ue000", "\ue001"


def modelfile(template: ChatTemplate, system: str | None, max_new_tokens: int) -> str:
    """The text of a Modelfile beside `model.gguf`. Raises T371 when the template hides the texts it is given."""
    lines = [
        "FROM ./model.gguf",
        f"TEMPLATE {_quoted(_go_template(template, system=bool(system)))}",
        "PARAMETER temperature 0",
        f"PARAMETER num_predict {max_new_tokens}",
        *(f"PARAMETER stop {_quoted(stop)}" for stop in [stop_text(template)] if stop),
        *([f"SYSTEM {_quoted(system)}"] if system else []),
    ]
    return "\n".join(lines) + "\n"


def _go_template(template: ChatTemplate, *, system: bool) -> str:
    """system: whether there is a system prompt. Some templates refuse one, so it is not tried without need."""
    user = {"role": "user", "content": _USER}
    alone, found, after = template.render([user]).partition(_USER)
    if not found:
        raise _hidden()
    if not system:
        return f"{alone}{{{{ .Prompt }}}}{after}"
    before, mark, rest = template.render([{"role": "system", "content": _SYSTEM}, user]).partition(_SYSTEM)
    between, shown, after_both = rest.partition(_USER)
    if not (mark and shown) or after_both != after:
        raise _hidden()
    both = f"{{{{ if .System }}}}{before}{{{{ .System }}}}{between}{{{{ else }}}}{alone}{{{{ end }}}}"
    return f"{both}{{{{ .Prompt }}}}{after}"


def _hidden() -> UserError:
    help = "choose a base model with a chat template for system, user and assistant messages"
    return fail("T371", "the base model's chat template does not show the messages that it is given", help=help)


def _quoted(text: str) -> str:
    """Ollama's triple quotes; a text that holds them itself would end them, so longer runs are broken up there."""
    return '"""' + re.sub('"{3,}', lambda run: " ".join(run[0]), text) + '"""'
