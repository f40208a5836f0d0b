"""Whether the shipped file reads prompts as the trained weights do: the same template, token ids and end."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stages.answers import Engine
from stages.chat import Prompting, stop_text, user_message
from stages.contract import Contract
from stages.rows import Row, dumps

NAMED = 5  # rows that are named


@dataclass(frozen=True)
class Seen:
    """template: what it renders of one conversation. stop: what ends an answer. tokens: by row, a digest of the ids."""

    template: str
    stop: str
    tokens: dict[str, str]


def seen(engine: Engine, rows: Sequence[Row], prompting: Prompting, contract: Contract) -> Seen:
    """What an engine makes of the rows' prompts."""
    template, system = engine.chat_template(), prompting.system(contract)
    made = (template.prompt(row.id, system, user_message(prompting.input_template, row.input)) for row in rows)
    tokens = {prompt.id: _digest(engine.encode(prompt)) for prompt in made}
    turns = [{"role": "user", "content": "\ue000"}, {"role": "assistant", "content": "\ue001"}]
    return Seen(template.render(turns, add_generation_prompt=False), stop_text(template), tokens)


def compared(before: Seen, after: Seen) -> dict[str, Any]:
    """{template, stop: the same or not; rows; tokens: rows with other ids, and the first of them}."""
    other = [id for id, digest in before.tokens.items() if after.tokens.get(id) != digest]
    return {
        "template": before.template == after.template,
        "stop": before.stop == after.stop,
        "rows": len(before.tokens),
        "tokens": len(other),
        "named": other[:NAMED],
    }


def _digest(ids: Sequence[int]) -> str:
    return hashlib.sha256(dumps(list(ids)).encode()).hexdigest()[:16]
