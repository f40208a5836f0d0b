"""What an `input_template` may say: `{field}` placeholders, or a part of Jinja without nested loops and endless texts.

Allowed: {{ field }}, {{ field.key }}, {{ field[0] }}, {% if %}, comparisons, one-deep {% for %}, and the filters below.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache, partial
from itertools import islice
from typing import Any

from stages.diagnostics import fail

PLACEHOLDER = re.compile(r"\{([A-Za-z_]\w*)\}")
FILTERS = frozenset({"default", "first", "join", "last", "length", "lower", "title", "tojson", "trim", "upper"})
_MOST = 2_000  # words and signs inside tags
_DEEPEST = 60  # nodes inside one another; Python, which templates become, nests a hundred blocks at most
_TOO_DEEP = "it is nested too deep"
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


def is_jinja(template: str) -> bool:
    return "{{" in template or "{%" in template


def placeholders(template: str) -> frozenset[str]:
    """The fields that a template reads."""
    return check(template)[0] if is_jinja(template) else frozenset(PLACEHOLDER.findall(template))


@lru_cache(maxsize=8)
def check(source: str) -> tuple[frozenset[str], str | None]:
    """The fields that a template reads, and why it is refused (None when it is not)."""
    from jinja2 import TemplateSyntaxError, meta

    try:
        if sum(1 for _ in islice(_code(source), _MOST + 1)) > _MOST:
            return frozenset(), f"it has more than {_MOST:,} words and signs inside its tags"
        tree = _environment().parse(source)
        refused = next(filter(None, (_refused(node, above) for node, above in _walk(tree))), None)
        return frozenset() if refused else frozenset(meta.find_undeclared_variables(tree)), refused
    except TemplateSyntaxError as error:
        return frozenset(), f"line {error.lineno}: {error.message}"
    except RecursionError:
        return frozenset(), _TOO_DEEP
    except ValueError:  # Python reads no number of more than some thousand digits
        return frozenset(), "a number in it is too large"


def _code(source: str) -> Iterator[str]:
    """The words and signs of a template that are no plain text."""
    return (value for _, kind, value in _environment().lex(source) if kind not in ("data", "whitespace"))


def _walk(tree: Any) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """Every node, with the kinds of the nodes above it."""
    waiting: list[tuple[Any, tuple[str, ...]]] = [(tree, ())]
    while waiting:
        node, above = waiting.pop()
        yield node, above
        inside = (*above, type(node).__name__)
        waiting += [(inner, inside) for inner in node.iter_child_nodes()]


def _refused(node: Any, above: tuple[str, ...]) -> str | None:
    from jinja2 import nodes

    name = type(node).__name__
    if name not in _NODES:
        return f"`{name.lower()}` is not allowed in an input template"
    if len(above) > _DEEPEST:
        return _TOO_DEEP
    if isinstance(node, nodes.Filter) and node.name not in FILTERS:
        return f"the filter `{node.name}` is not allowed; allowed are {', '.join(sorted(FILTERS))}"
    if isinstance(node, nodes.Getattr) and node.attr.startswith("_"):
        return f"the attribute `{node.attr}` is not allowed"
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) and str(node.arg.value).startswith("_"):
        return f"the key `{node.arg.value}` is not allowed"
    return "a loop inside a loop is not allowed" if name == "For" and "For" in above else None


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

    from stages.rows import dumps

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
