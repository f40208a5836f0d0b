"""The part of Jinja that an `input_template` may use: what it can say, it says in time linear in the row.

Allowed: {{ field }}, {{ field.key }}, {{ field[0] }}, {% if %}, comparisons, one-deep {% for %}, and the filters below.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from stages.base import fail
from stages.rows import dumps

FILTERS = frozenset({"default", "first", "join", "last", "length", "lower", "title", "tojson", "trim", "upper"})
_NODES = frozenset(
    [
        "Template",
        "Output",
        "TemplateData",
        "Name",
        "Getattr",
        "Getitem",
        "Const",
        "Filter",
        "If",
        "CondExpr",
        "For",
        "Compare",
        "Operand",
        "And",
        "Or",
        "Not",
        "Test",
        "List",
        "Tuple",
    ]
)


def check(source: str) -> tuple[set[str], str | None]:
    """The fields that a template reads, and why it is refused (None when it is not)."""
    from jinja2 import TemplateSyntaxError, meta, nodes

    try:
        tree = _environment().parse(source)
    except TemplateSyntaxError as error:
        return set(), f"line {error.lineno}: {error.message}"
    for node in tree.find_all(nodes.Node):
        name = type(node).__name__
        if name not in _NODES:
            return set(), f"`{name.lower()}` is not allowed in an input template"
        if isinstance(node, nodes.Filter) and node.name not in FILTERS:
            return set(), f"the filter `{node.name}` is not allowed; allowed are {', '.join(sorted(FILTERS))}"
        if isinstance(node, nodes.Getattr) and node.attr.startswith("_"):
            return set(), f"the attribute `{node.attr}` is not allowed"
        if (
            isinstance(node, nodes.Getitem)
            and isinstance(node.arg, nodes.Const)
            and str(node.arg.value).startswith("_")
        ):
            return set(), f"the key `{node.arg.value}` is not allowed"
        if isinstance(node, nodes.For) and any(inner is not node for inner in node.find_all(nodes.For)):
            return set(), "a loop inside a loop is not allowed"
    return set(meta.find_undeclared_variables(tree)), None


def render(source: str, fields: dict[str, Any]) -> str:
    """Fill a template that `check` accepts; a field that is missing or a wrong use of one raises T322."""
    from jinja2 import TemplateError

    try:
        return str(_compiled(source).render(fields)).strip()
    except (TemplateError, TypeError, ValueError, LookupError) as error:
        raise fail(
            "T322", f"input_template cannot be filled: {error}", help="mend input_template in task.yaml"
        ) from None


def _environment() -> Any:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    env = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, finalize=lambda value: value if isinstance(value, str) else dumps(value)
    )
    env.globals.clear()
    env.filters = {name: env.filters[name] for name in FILTERS}
    env.filters["tojson"] = dumps
    return env


@lru_cache(maxsize=8)
def _compiled(source: str) -> Any:
    _, refused = check(source)
    if refused:
        raise fail("T108", f"input_template is refused: {refused}", help="use {field} placeholders or plain Jinja")
    return _environment().from_string(source)
