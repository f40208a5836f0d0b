"""The part of Jinja that an `input_template` may use: no loop in a loop, and no text without bound.

Allowed: {{ field }}, {{ field.key }}, {{ field[0] }}, {% if %}, comparisons, one-deep {% for %}, and the filters below.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache, partial
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
    """Fill a template that `check` accepts.

    Raises T322 for a field that is missing or wrongly used, and for a text that is too long or takes too long.
    """
    from jinja2 import TemplateError

    from stages.chat import RENDER_SECONDS, deadline

    template = _compiled(source)
    try:
        with deadline(RENDER_SECONDS):
            return _bounded(template.generate(fields)).strip()
    except TimeoutError:
        why = f"it took more than {RENDER_SECONDS:g} s"
    except (TemplateError, TypeError, ValueError, LookupError) as error:
        why = str(error)
    raise fail("T322", f"input_template cannot be filled: {why}", help="mend input_template in task.yaml")


def _bounded(pieces: Iterable[str]) -> str:
    from stages.sandbox import LIMIT

    found, size = [], 0
    for piece in pieces:
        size += len(piece)
        if size > LIMIT:
            raise ValueError(f"it makes more than {LIMIT:,} characters of a row")
        found.append(piece)
    return "".join(found)


def _join(env: Any, parts: Iterable[Any], d: Any = "", attribute: Any = None) -> str:
    """The filter, with Jinja's names: a long text between the items of a long list is a product."""
    from jinja2.filters import make_attrgetter

    texts = map(str, parts if attribute is None else map(make_attrgetter(env, attribute), parts))
    return _bounded(text for n, part in enumerate(texts) for text in (str(d) if n else "", part))


def _environment() -> Any:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    env = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, finalize=lambda value: value if isinstance(value, str) else dumps(value)
    )
    env.globals.clear()
    env.filters = {name: env.filters[name] for name in FILTERS}
    env.filters |= {"tojson": dumps, "join": partial(_join, env)}
    return env


@lru_cache(maxsize=8)
def _compiled(source: str) -> Any:
    _, refused = check(source)
    if refused:
        raise fail("T108", f"input_template is refused: {refused}", help="use {field} placeholders or plain Jinja")
    return _environment().from_string(source)
