"""Pass 3: nodes -> Task. Types and ranges by pydantic, in our words and with spans; then the cross-field checks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from compiler import lookalikes
from compiler.checks import find
from compiler.languages import code
from compiler.parse import MAX_FOUND, Node, ParseError
from compiler.resolve import did_you_mean
from compiler.task import Task, sections
from compiler.workspace import Workspace
from stages.diagnostics import Diagnostic, Span
from stages.shapes import SPLITS

_KINDS = {
    "string_type": "a text",
    "float_type": "a number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}
# What the keys are called elsewhere.
_SYNONYMS = {
    "lr": "learning_rate",
    "rank": "r",
    "lora_r": "r",
    "lora_alpha": "alpha",
    "num_train_epochs": "epochs",
    "num_epochs": "epochs",
    "per_device_train_batch_size": "batch_size",
    "lr_scheduler_type": "scheduler",
    "max_seq_length": "max_length",
    "cutoff_len": "max_length",
    "model": "base_model",
    "files": "sources",
    "metric": "primary_metric",
}
_BOUNDS = {
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "too_short": "must not be empty",
    "too_long": "must have at most {max_length} items",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must not be empty",
}
# A key that names a preset, and the keys that nobody can expect to be written when that one is wrong.
_BROUGHT = {
    "task_type": ("baselines", "success_criteria.primary_metric"),
    "training.method": ("training.", "quantization"),
    "training.base_model": ("base_model",),
}


def validate(merged: Node, workspace: Workspace) -> tuple[Task, list[Diagnostic]]:
    """The typed task and its warnings. Raises ParseError with every error that was found."""
    try:
        task = Task(**merged.plain())
    except ValidationError as error:
        causes = sorted(_causes(error), key=lambda cause: _line(cause[0], merged))[:MAX_FOUND]
        raise ParseError(sorted((_worded(path, dict(e), merged) for path, e in causes), key=_place)) from None
    found = find(task, merged, workspace)
    errors = [problem for problem in found if problem.severity == "error"]
    if errors:  # warnings wait: most would be echoes of them
        raise ParseError(errors)
    return task, found


def known_key(path: Sequence[str]) -> bool:
    """Whether the schema has this key, or takes any key there."""
    section: type[BaseModel] | None = Task
    for part in path:
        field = _by_key(section).get(part) if section else None
        if field is None:
            return section is None
        section = next(iter(sections(field.annotation)), None)
    return True


def _causes(error: ValidationError) -> list[tuple[list[Any], Any]]:
    """(path, pydantic's error): one a place, without those that only follow from another."""
    # A union (only `gates` has one) reports a value once for each of its members, whose name ends the path.
    places: dict[tuple[Any, ...], list[Any]] = {}
    for e in error.errors(include_url=False):
        places.setdefault(tuple(e["loc"][:3] if e["loc"][1:2] == ("gates",) else e["loc"]), []).append(e)
    known = {path: _likeliest(errors) for path, errors in places.items()}
    wrong = {_spelled(path) for path in known}
    idle = tuple(key for name, brought in _BROUGHT.items() if {name, name.split(".")[0]} & wrong for key in brought)
    own = {path: e for path, e in known.items() if e["type"] != "missing" or not _spelled(path).startswith(idle)}
    return [(list(path), e) for path, e in (own or known).items()]


def _likeliest(errors: list[Any]) -> Any:
    """Of what the members of a union say of one value: a word for true or false is meant as one."""
    value = errors[0]["input"]
    truths = [e for e in errors if e["type"] == "bool_type"]
    return truths[0] if truths and isinstance(value, str) and lookalikes.truth(value) is not None else errors[0]


def _line(path: list[Any], merged: Node) -> tuple[str, int]:
    node = _at(merged, path) or _at(merged, path[:-1]) or merged
    return node.span.file, node.span.line


def _name(path: Sequence[Any]) -> str:
    """The last word of a path; of an item of a list, with the list's name: `formats[0]`."""
    last = str(path[-1]) if path else ""
    return f"{_name(path[:-1])}[{last}]" if path and isinstance(path[-1], int) else last


def _spelled(path: Sequence[Any]) -> str:
    return ".".join(map(str, path))


def _place(found: Diagnostic) -> tuple[str, int, int, str]:
    span = found.span or Span("", 0, 0)
    return span.file, span.line, span.column, found.message


def _worded(path: list[Any], error: dict[str, Any], merged: Node) -> Diagnostic:
    """A pydantic error as a diagnostic of ours."""
    kind, context, name = error["type"], error.get("ctx", {}), _name(path)
    node, parent = _at(merged, path), _at(merged, path[:-1]) or merged
    span = node.span if node else (parent.key or Span(parent.span.file, 1))
    if kind == "extra_forbidden":
        return _unknown_key(name, path, node, merged)
    if kind == "missing":
        span = span if span.file == merged.span.file else merged.span  # a preset is no place to add it
        return Diagnostic("T012", f"`{_spelled(path)}` is missing", span, help=_about(path))
    if kind in _KINDS:
        return _wrong_kind(path, _KINDS[kind], node, span)
    if kind in _BOUNDS:
        message = f"`{name}` {_BOUNDS[kind].format(**context)}, got {_said(node)}"
        if share := _share(node, context):
            return Diagnostic("T014", message, span, (_about(path),), f"did you mean {share:g}?")
        return Diagnostic("T014", message, span, help=_about(path))
    if kind == "literal_error":
        return _not_one_of(name, node, span, path)
    if kind == "string_pattern_mismatch":
        return _wrong_form(path, node, span)
    return Diagnostic("T013", f"`{name}`: {error['msg']}", span, help=_about(path))


def _wrong_form(path: list[Any], node: Node | None, span: Span) -> Diagnostic:
    message, said = f"`{_name(path)}` is not of the form that is needed here", node.value if node else None
    if path == ["language"] and isinstance(said, str) and (meant := code(said)):
        return Diagnostic("T016", message, span, (_about(path),), f"did you mean `{meant}`?")
    return Diagnostic("T016", message, span, help=_about(path))


def _wrong_kind(path: list[Any], expected: str, node: Node | None, span: Span) -> Diagnostic:
    name, value = _name(path), node.value if node else None
    message = f"`{name}`: expected {expected}, got {_said(node)}"
    if expected == "true or false" and isinstance(value, str) and (said := lookalikes.no_truth(name, value)):
        return Diagnostic("T018", said[0], span, (said[1],), said[2])
    if expected.endswith("number") and isinstance(value, str) and (written := lookalikes.number(value)):
        return Diagnostic("T019", message, span, help=f"write {written}")
    if expected == "a whole number" and isinstance(value, float) and value.is_integer():
        return Diagnostic("T013", message, span, help=f"write {int(value)}")
    if expected == "a text" and node and node.written and not isinstance(value, str):
        return Diagnostic("T013", message, span, (_about(path),), f'write `"{node.written}"`, in quotes')
    return Diagnostic("T013", message, span, help=_about(path))


def _share(node: Node | None, bounds: dict[str, Any]) -> float | None:
    """The share that a percentage means where a number of at most 1 is expected; None where it means none."""
    value, most = node.value if node else None, bounds.get("lt", bounds.get("le"))
    if most != 1 or isinstance(value, bool) or not isinstance(value, int | float) or not 2 <= value <= 100:
        return None
    share = value / 100
    return share if share < 1 or "le" in bounds else None


def _unknown_key(name: str, path: list[Any], node: Node | None, merged: Node) -> Diagnostic:
    span = (node.key or node.span) if node else merged.span
    known = sorted(_keys(_section(path[:-1])))
    note = f"keys here: {', '.join(known)}"
    elsewhere = [p for p in _every_key() if p.split(".")[-1] == name]
    meant = _SYNONYMS.get(name)
    help = (
        f"did you mean `{meant}`?"
        if meant in known
        else did_you_mean(name, known)
        or (f"did you mean `{elsewhere[0]}`?" if elsewhere else "remove it: no key is without effect")
    )
    return Diagnostic("T011", f"unknown key `{name}`", span, (note,), help)


def _not_one_of(name: str, node: Node | None, span: Span, path: list[Any]) -> Diagnostic:
    path = path if _field(path) else path[:-1]  # of a mapping, what its values may be
    field = _field(path)
    options = [str(o) for o in _options(field.annotation)] if field else []
    said = str(node.value) if node else ""
    meant = SPLITS.get(said.strip().lower())  # data sets name their splits in many ways
    help = f"did you mean `{meant}`?" if meant in options else did_you_mean(said, options) or _about(path)
    return Diagnostic(
        "T015",
        f"`{name}` cannot be {_said(node)}",
        span,
        (f"it is one of {', '.join(options)}",),
        help,
    )


def _options(annotation: Any) -> list[Any]:
    found: list[Any] = []
    for part in get_args(annotation):
        found += [part] if isinstance(part, str) else _options(part)
    return found


def _said(node: Node | None) -> str:
    """A wrong value as a person would name it."""
    match value := node.value if node else None:
        case bool():
            return "true" if value else "false"
        case str():
            return f"the text '{value if len(value) <= 40 else value[:40] + '…'}'"
        case int() | float():
            return f"the number {node.written or value}" if node else "nothing"
        case list():
            return "a list"
        case dict():
            return "a mapping"
        case _:
            return "nothing"


def _at(node: Node, path: list[Any]) -> Node | None:
    for part in path:
        if (isinstance(node.value, dict) and part in node.value) or (
            isinstance(node.value, list) and isinstance(part, int) and part < len(node.value)
        ):
            node = node.value[part]
        else:
            return None
    return node


def _section(path: list[Any]) -> type[BaseModel] | None:
    """The schema class of the section at a path."""
    section: type[BaseModel] | None = Task
    for part in path:
        if isinstance(part, int):
            continue
        field = _by_key(section).get(str(part)) if section else None
        section = next(iter(sections(field.annotation)), None) if field else None
    return section


def _by_key(section: type[BaseModel]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in section.model_fields.items()}


def _keys(section: type[BaseModel] | None) -> list[str]:
    return list(_by_key(section)) if section else []


def _field(path: list[Any]) -> FieldInfo | None:
    section = _section(path[:-1])
    return _by_key(section).get(str(path[-1])) if section and path else None


def _about(path: list[Any]) -> str:
    """What a key is for; of a section, what its class says."""
    field, section = _field(path), _section(path)
    if field and field.description:
        return field.description
    return (
        (section.__doc__ or "").splitlines()[0]
        if section
        else f"add `{path[-1]}:`"
        if path
        else "`tunec schema` has every key"
    )


def _every_key(section: type[BaseModel] = Task, prefix: str = "") -> list[str]:
    found = []
    for key, field in _by_key(section).items():
        found.append(prefix + key)
        for model in sections(field.annotation):
            found += _every_key(model, f"{prefix}{key}.")
    return found
