"""A larger model with the contract in its prompt: what one would pay for instead.

Either `model: FILE.gguf` below the workspace, or `endpoint: URL` of anything that speaks OpenAI's chat completions
(vLLM, Ollama, llama-server, a hosted model) with `model: NAME`. The key is read from the environment variable that
`key_env` names, and stands in no file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages import progress
from stages.baselines._options import path, text, whole
from stages.catalog import Baseline

if TYPE_CHECKING:
    from stages.answers import Answer
    from stages.baselines._ask import Question

URL = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+(/[\w./~-]*)?")
VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")


def answer(question: Question) -> Iterator[Answer]:
    from stages.baselines._ask import opened
    from stages.engines.endpoint import Endpoint
    from stages.predicting import ask

    prompting, decoding = question.prompting, question.decoding
    if prompting is None or decoding is None:
        raise ValueError("what a larger model is asked is its prompt")
    if "endpoint" not in question.options:
        with opened(Path(question.options["model"])) as engine:
            progress.tell(0, None, progress.READY)
            yield from ask(engine, question.rows, prompting, question.contract, decoding)
        return
    with closing(Endpoint.of(question.options, question.contract)) as far:
        template, system = far.chat_template(), prompting.system(question.contract)
        prompts = [template.prompt(row.id, system, question.message(row)) for row in question.rows]
        yield from far.answer(prompts, max_new_tokens=decoding.max_new_tokens, sequences=decoding.sequences)
        question.measured.update(far.costs(len(question.rows)))


def allowed(options: Any, fields: Sequence[str]) -> str | None:
    if not isinstance(options, Mapping) or "model" not in options:
        return "it needs `model: FILE.gguf`, or `endpoint: URL` and `model: NAME`"
    if "endpoint" not in options:
        others = sorted(options.keys() - {"model"})
        gguf = isinstance(options["model"], str) and options["model"].endswith(".gguf")
        wrong = None if gguf else "a .gguf file below the workspace (or name an `endpoint`)"
        return (
            f"without an endpoint it has no option `{others[0]}`"
            if others
            else _said("model", wrong or path(options["model"]))
        )
    for name, value in options.items():
        if name not in _TAKES:
            return f"it has no option `{name}`; there are {', '.join(_TAKES)}"
        if wrong := _TAKES[name](value):
            return _said(name, wrong)
    return None


def _said(name: str, wrong: str | None) -> str | None:
    return f"its option `{name}` is {wrong}" if wrong else None


def _url(value: Any) -> str | None:
    return None if isinstance(value, str) and URL.fullmatch(value) else "a http or https address without a query"


def _variable(value: Any) -> str | None:
    return None if isinstance(value, str) and VARIABLE.fullmatch(value) else "the name of an environment variable"


def _prices(value: Any) -> str | None:
    fits = isinstance(value, Mapping) and value.keys() == {"input", "output"}
    numbers = fits and all(isinstance(v, int | float) and not isinstance(v, bool) and v >= 0 for v in value.values())
    return None if numbers else "{input: PRICE, output: PRICE} of a million tokens"


def _switch(value: Any) -> str | None:
    return None if isinstance(value, bool) else "true or false"


_TAKES = {
    "endpoint": _url,
    "model": text,
    "key_env": _variable,
    "timeout": whole(1, 600),
    "price": _prices,
    "structured": _switch,
}


def files(options: Any) -> tuple[str, ...]:
    local = isinstance(options, Mapping) and "endpoint" not in options
    return (options["model"],) if local and isinstance(options.get("model"), str) else ()


BASELINE = Baseline(
    "larger",
    "a larger model with the contract in its prompt",
    answer,
    libraries=("openai", "llama-cpp-python", "jinja2"),
    settled={"prompting.mode": "contract"},
    allowed=allowed,
    files=files,
)
