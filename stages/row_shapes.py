"""The shapes that rows come in, as columns: what the input template and the answer are read from.

    messages    {"messages": [{"role": "user", "content": "For 2"}, {"role": "assistant", "content": "…"}]}
    sharegpt    {"conversations": [{"from": "human", "value": "For 2"}, {"from": "gpt", "value": "…"}]}
    alpaca      {"instruction": "…", "input": "…", "output": "…"}
    prompt      {"prompt": "…", "completion": "…"}

Each becomes the columns `prompt` (the last turn of the user), `output` (the answer to it), `history` (the turns before,
a line each) and `system`, beside those that the row has. An answer that calls a tool is {"name": …, "arguments": …}.
Answers that are conversations of their own (chosen, rejected, completion) are read in the same way.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

DERIVED = ("prompt", "output", "history", "system")
CONTAINERS = ("messages", "conversations", "conversation", "instruction", "input", "completion", "tools")
_TURNS = ("messages", "conversations", "conversation")
_ANSWERS = ("chosen", "rejected", "completion")
_TELLTALE = frozenset((*_TURNS, *_ANSWERS, "instruction", "prompt"))
_ROLES = {"human": "user", "gpt": "assistant", "model": "assistant", "bot": "assistant", "developer": "system"}
_ROLES |= {"observation": "tool", "function": "tool", "function_call": "call"}


class Unshaped(ValueError):
    """The row is not of the shape that it was to be of; the message says why."""


def columns(fields: dict[str, Any], shape: str = "auto") -> dict[str, Any]:
    """A row's columns, those that follow from its shape among them. Raises Unshaped.

    auto: whatever shape the row shows. What it has under a name already stays.
    """
    if shape == "columns" or (shape == "auto" and _TELLTALE.isdisjoint(fields)):
        return fields
    found: dict[str, Any] = {}
    turns = _column(fields, shape)
    if turns:
        found |= _conversation(fields[turns])
    elif shape in ("messages", "sharegpt"):
        raise Unshaped(f"it has no column {' or '.join(_TURNS[:2])}")
    if shape in ("auto", "alpaca") and isinstance(fields.get("instruction"), str):
        found.setdefault("prompt", _joined(fields["instruction"], fields.get("input")))
    if fields.get("completion") is not None and fields.get("label") is None:
        found.setdefault("output", fields["completion"])
    return found | fields | _unfolded(found | fields)


def _column(fields: Mapping[str, Any], shape: str) -> str | None:
    """The column that holds a conversation; a list of other things is none, where nobody says so."""
    names = [name for name in _TURNS if isinstance(fields.get(name), list)] if shape in _OPEN else []
    named = (name for name in names if shape != "auto" or (fields[name] and all(map(_turn, fields[name]))))
    return next(named, None)


_OPEN = ("auto", "messages", "sharegpt")


def _turn(message: Any) -> bool:
    return isinstance(message, Mapping) and ("role" in message or "from" in message)


def _unfolded(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Answers and prompts that are lists of messages, as what they say."""
    found: dict[str, Any] = {}
    for name in ("output", *_ANSWERS):
        if isinstance(value := fields.get(name), list) and value and all(map(_turn, value)):
            said = _conversation(value)
            found[name] = said["output"]
            found |= {name: text for name, text in said.items() if name != "output" and name not in fields and text}
    if isinstance(value := fields.get("prompt"), list) and value and all(map(_turn, value)):
        found |= _asked([_message(turn) for turn in value])
    return found


def _conversation(turns: Sequence[Any]) -> dict[str, Any]:
    """{prompt, output, history, system} of a conversation that ends with an answer."""
    messages = [_message(turn) for turn in turns]
    if not messages or messages[-1][0] != "assistant":
        raise Unshaped("the conversation does not end with an answer")
    return {"output": messages[-1][1]} | _asked(messages[:-1])


def _asked(messages: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if messages and messages[0][0] == "system":
        found["system"] = messages.pop(0)[1]
    *before, last = messages or [("user", None)]
    lines = [
        f"{role}: {text if isinstance(text, str) else json.dumps(text, ensure_ascii=False)}" for role, text in before
    ]
    return found | ({"prompt": last[1]} if last[1] is not None else {}) | {"history": "\n".join(lines)}


def _message(turn: Any) -> tuple[str, Any]:
    """(role, what it says); a call of a tool says {name, arguments}."""
    if not isinstance(turn, Mapping):
        raise Unshaped("a message is no mapping")
    role = str(turn.get("role", turn.get("from", ""))).strip().lower()
    role, content = _ROLES.get(role, role), turn.get("content", turn.get("value"))
    if role == "call":
        return "assistant", _parsed(content)
    if role not in ("system", "user", "assistant", "tool"):
        raise Unshaped("a message has no role that is known")
    calls = turn.get("tool_calls")
    if role == "assistant" and isinstance(calls, list) and calls:
        found = [_call(call) for call in calls]
        return role, found[0] if len(found) == 1 else found
    return role, _text(content)


def _call(call: Any) -> Any:
    told = call.get("function", call) if isinstance(call, Mapping) else {}
    if not isinstance(told, Mapping) or "name" not in told:
        raise Unshaped("a tool call names no tool")
    return {"name": told["name"], "arguments": _parsed(told.get("arguments", {}))}


def _text(content: Any) -> Any:
    """A message's text, also where it stands in parts; pictures and sounds are none."""
    if not isinstance(content, list):
        return content
    if not all(isinstance(part, Mapping) and isinstance(part.get("text"), str) for part in content):
        raise Unshaped("a message holds what is no text")
    return "".join(part["text"] for part in content)


def _parsed(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _joined(instruction: str, more: Any) -> str:
    return f"{instruction}\n{more}" if isinstance(more, str) and more.strip() else instruction
