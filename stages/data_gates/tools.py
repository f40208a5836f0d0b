"""Calls that their own row's tools do not allow."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from stages.catalog import DataGate
from stages.contract import worded
from stages.rows import dumps
from stages.seen import Seen, Settings

_CALLS = ("call", "calls", "tool_calls")


def look(seen: Seen, settings: Settings) -> Iterator[str]:
    """A row with a column `tools` says what may be called: [{name, parameters: JSON Schema}]. A call is {name,
    arguments}.

    A schema's references are followed inside it alone: nothing is fetched.
    """
    tools = seen.fields.get("tools")
    if not isinstance(tools, list):
        return
    known = [tool.get("function", tool) for tool in tools if isinstance(tool, dict)]
    names = [str(tool.get("name")) for tool in known if isinstance(tool, dict)]
    if len(set(names)) != len(names):
        yield "two tools have one name"
        return
    schemas = {name: dumps(tool.get("parameters") or {}) for name, tool in zip(names, known, strict=True)}
    if flaw := next(filter(None, map(_flaw, schemas.values())), None):
        yield flaw
        return
    for call in _calls(seen):
        if why := _wrong(call, schemas):
            yield why
            return


def _calls(seen: Seen) -> list[Any]:
    found = next((seen.fields[name] for name in _CALLS if name in seen.fields), seen.row.output)
    if isinstance(found, dict) and {"name", "arguments"} <= found.keys():
        return [found]
    return found if isinstance(found, list) else []


def _wrong(call: Any, schemas: dict[str, str]) -> str | None:
    if not isinstance(call, dict) or not isinstance(call.get("name"), str):
        return "a call names no tool"
    if call["name"] not in schemas:
        return "a call names a tool that its row does not have"
    if not isinstance(call.get("arguments"), dict):
        return "a call's arguments are no mapping"
    try:
        broken = next(iter(_validator(schemas[call["name"]]).iter_errors(call["arguments"])), None)
    except RecursionError:
        return "a tool's schema refers to itself without end"
    return f"in a call, {worded(broken, 'the mapping of arguments')}" if broken else None


@lru_cache(maxsize=1024)
def _validator(schema: str) -> Any:
    import json

    from jsonschema import Draft202012Validator
    from referencing import Registry

    return Draft202012Validator(json.loads(schema), registry=Registry())


@lru_cache(maxsize=1024)
def _flaw(schema: str) -> str | None:
    """Why a tool's parameters are no schema to hold calls to."""
    from jsonschema import SchemaError
    from referencing.exceptions import Unresolvable

    validator = _validator(schema)
    try:
        validator.check_schema(validator.schema)
        next(iter(validator.iter_errors({})), None)
    except SchemaError:
        return "a tool's parameters are no JSON Schema"
    except Unresolvable as error:
        within = str(error.ref).startswith(("#", "/"))  # a pointer is left of what was found nowhere
        return f"a tool's schema refers to what {'it lacks' if within else 'stands outside of it'}"
    except RecursionError:
        return "a tool's schema refers to itself without end"
    return None


DATA_GATE = DataGate("tools", "calls fit the tools of their own row", "reject", look)
