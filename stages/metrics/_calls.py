"""What a tool call says. No call at all is null, or the call of a tool that is named so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stages.judging import Judged

NO_CALL = ("none", "no_call", "no_tool", "respond")  # tools that stand for calling none


def tool(answer: Any) -> str | None:
    """The tool that is called; None where none is, or where the answer is no call."""
    name = answer.get("name") if isinstance(answer, dict) else None
    return None if not isinstance(name, str) or name.lower() in NO_CALL else name


def calls_none(answer: Any, read: bool = True) -> bool:
    """Whether the answer says that no tool is to be called. What cannot be read says nothing."""
    return read and (answer is None or (isinstance(answer, dict) and str(answer.get("name")).lower() in NO_CALL))


def right_tool(judged: Judged) -> bool:
    """Whether the tool is called that should be; where none should, whether the answer says so."""
    name = tool(judged.gold)
    return calls_none(judged.said, judged.read) if name is None else tool(judged.said) == name


def arguments(answer: Any) -> dict[str, Any]:
    given = answer.get("arguments") if isinstance(answer, dict) else None
    return given if isinstance(given, dict) else {}


def required(schema: Any, name: str | None) -> list[str] | None:
    """The arguments that a tool requires, by the contract's schema; None where it does not know the tool."""
    for call in schema.get("anyOf", ()) if isinstance(schema, dict) else ():
        properties = call.get("properties", {})
        if properties.get("name", {}).get("const") == name:
            return list(properties.get("arguments", {}).get("required", ()))
    return None
