"""What comes out: the schema of the contract."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from compiler.checks._check import Found, Look, check, mapped
from compiler.checks.data import answer_columns
from compiler.metaschema import Path, flaws, unknown_words, words
from compiler.resolve import did_you_mean
from compiler.schema import is_shorthand, references
from stages.schemas import label_field
from stages.shapes import unseen

_AT = "output_format.schema"
_NAMED = 4  # labels without a row that are told one by one


@check("T110")
def schema_is_sound(look: Look) -> Iterator[Found]:
    """A schema that is missing where the contract needs one, is no JSON Schema, or refers to what it lacks.

    Mend it as the message says; copy definitions into `$defs`.
    """
    kind, schema = look.task.output_format.type, look.schema
    if kind == "text":
        if look.task.output_format.schema_ is not None:
            yield Found("a text contract has no schema", _AT, "remove it, or set `type: json`")
        return
    if look.task.output_format.schema_ is None:
        yield Found(f"a {kind} contract needs a schema", "output_format", _EXAMPLES[kind])
        return
    outside = sorted({reference for reference in references(schema) if not reference.startswith("#")})
    for reference in outside:
        yield Found(f"the schema refers to {reference!a}, outside itself", _AT, "copy the definition into `$defs`")
    yield from (Found(flaw.message, _place(look, flaw.at), flaw.help) for flaw in flaws(schema))
    if kind == "label":
        yield from _labels(schema)
    elif kind == "tool_call":
        yield from _tools(look.task.output_format.schema_)


def _tools(schema: dict[str, Any]) -> Iterator[Found]:
    if not schema:
        yield Found("a tool_call contract names no tool", _AT, _EXAMPLES["tool_call"])
    for tool, arguments in schema.items():
        if arguments is not None and not isinstance(arguments, dict):
            help = f"write `{tool}: {{argument: {{type: string}}}}`, or `{tool}: {{}}`"
            yield Found(f"the arguments of the tool `{tool}` are no mapping", f"{_AT}.{tool}", help)


@check("T152")
def schema_words_are_known(look: Look) -> Iterator[Found]:
    """A word in the schema that JSON Schema does not have: it would hold no answer to anything.

    Correct its spelling. Words of your own begin with `x-`.
    """
    for at, word in unknown_words(look.schema):
        help = did_you_mean(word, sorted(words())) or "remove it, or let it begin with `x-`"
        yield Found(f"JSON Schema has no word `{word}`", _place(look, (*at, word)), help, key=True)


@check("T116")
def labels_are_different(look: Look) -> Iterator[Found]:
    """A label or enum value that stands twice, or two that differ in case, blanks or width alone.

    No answer could be told from the other. Keep one of them.
    """
    import unicodedata

    for name, values in enums(look.schema):
        texts = [value for value in values if isinstance(value, str)]
        folded = Counter(unicodedata.normalize("NFKC", text).casefold().strip() for text in texts)
        for text, many in folded.items():
            if many > 1:
                alike = [t for t in texts if unicodedata.normalize("NFKC", t).casefold().strip() == text]
                what = " and ".join(f"'{t}'" for t in alike)
                where = f"of `{name}` " if name else ""
                yield Found(f"the values {what} {where}are alike", _AT, "keep one of them", key=True)


@check("T117")
def required_fields_exist(look: Look) -> Iterator[Found]:
    """`required` names a field that `properties` lacks, where no other field is allowed: no answer could fit.

    Add the field to `properties`, or take it out of `required`.
    """
    for part in _objects(look.schema):
        fields, required = part.get("properties"), part.get("required")
        if isinstance(fields, dict) and isinstance(required, list) and part.get("additionalProperties") is False:
            for name in required:
                if name not in fields and not part.get("patternProperties"):
                    help = "add it to `properties`, or take it out of `required`"
                    yield Found(f"`required` names `{name}`, which `properties` lacks", _AT, help, key=True)


@check("T119", "warning")
def schema_says_something(look: Look) -> Iterator[Found]:
    """A JSON contract that any JSON value, or any object, fits.

    Then every answer is valid, and the grammar holds a model to nothing. Write the fields under `schema:`.
    """
    telling = set(look.schema) - {"$schema", "$id", "$defs", "title", "description", "type"}
    open_ = look.schema.get("type") in (None, "object", "array") and not telling
    if open_ and look.task.output_format.type == "json" and look.task.output_format.schema_ is not None:
        yield Found("any JSON fits this schema", _AT, "write its fields: {field: {type: string}}", key=True)


@check("T687", "warning")
def labels_leave_a_choice(look: Look) -> Iterator[Found]:
    """A label contract with one label: every answer is right, and there is nothing to learn.

    Write the other labels, one for what is none of them too; or, where a row may say anything, another contract.
    """
    labels = look.schema.get("enum")
    if look.task.output_format.type == "label" and isinstance(labels, list) and len(labels) == 1:
        help = "write the other labels beside it; where a row is none of them, that is a label as well"
        yield Found(f"there is nothing to learn: '{labels[0]}' is the only label", f"{_AT}.enum", help)


@check("T118", "warning")
def every_label_has_a_row(look: Look) -> Iterator[Found]:
    """A label that no row of the data has: as the rows stand, or, of files too large to be looked through, as the last
    build counted them, while they are those that it read.

    A model cannot learn what it never sees. Bring rows of it, or take it out of the schema.
    """
    kind = look.task.output_format.type
    field = label_field(look.schema) if kind == "json" else None
    if kind != "label" and field is None:
        return
    counted = _labels_that_stand(look, field) or look.workspace.labels(_files(look))
    if not counted:
        return
    properties = look.schema.get("properties")
    holder = properties[field] if field and isinstance(properties, dict) else look.schema
    inside = f".properties.{field}" if look.node(f"{_AT}.properties") else f".{field}"
    at = f"{_AT}{inside if field else ''}.enum"
    lacking = [(index, label) for index, label in enumerate(holder["enum"]) if label not in counted]
    if len(lacking) > _NAMED:
        named = ", ".join(f"'{label}'" for _, label in lacking[:_NAMED])
        note = f"{named} and {len(lacking) - _NAMED} more"
        message = f"{len(lacking)} of {len(holder['enum'])} labels have no row"
        yield Found(message, at, "bring rows of them, or take them out of the schema", note)
        return
    for index, label in lacking:
        help = "bring rows of it, or take it out of the schema"
        yield Found(f"no row has the label '{label}'", f"{at}.{index}", help)


@check("T138")
def decoding_has_a_contract(look: Look) -> Iterator[Found]:
    """`evaluation.decoding: constrained` for a text contract, which has nothing to constrain by.

    Give the contract a schema, or remove the key.
    """
    if look.task.evaluation.decoding == "constrained" and look.task.output_format.type == "text":
        help = "give the contract a schema, or remove `decoding`"
        yield Found("a text contract has nothing to constrain decoding by", "evaluation.decoding", help)


def enums(schema: Any, name: str = "") -> Iterator[tuple[str, list[Any]]]:
    """(name of the field, its values) for every enum in a schema; the whole answer has no name."""
    stack: list[tuple[str, Any]] = [(name, schema)]
    while stack:
        name, part = stack.pop()
        if isinstance(part, list):
            stack += [(name, inner) for inner in part]
        if not isinstance(part, dict):
            continue
        if isinstance(part.get("enum"), list):
            yield name, part["enum"]
        fields = part.get("properties")
        named = fields.items() if isinstance(fields, dict) else ()
        stack += [(str(field), inner) for field, inner in named]
        stack += [(name, inner) for key, inner in part.items() if key not in ("properties", "enum", "const", "default")]


def _labels_that_stand(look: Look, field: str | None) -> set[str] | None:
    """The labels of the rows, where every file of them was looked through; None where nobody knows them all."""
    if not look.seen_each or look.shape != "answers":
        return None
    found: set[str] = set()
    for _, source, _, peek in look.peeks:
        answers = answer_columns(look, mapped(peek.columns, source)) & mapped(peek.columns, source)
        columns = [(name, source.map.get(name, name)) for name in answers]
        places = [column if field in (None, name) else f"{column}.{field}" for name, column in columns]
        if answers and peek.said.keys().isdisjoint(places):
            return None
        found |= {text for place in places for text in peek.said.get(place, ())}
    return found


def _files(look: Look) -> list[str]:
    """Sorted, and a list: what a workspace is asked is written down as JSON (tunec/sealing.py)."""
    sources = [source for source in look.task.data.sources if not source.hub]
    return sorted({file for source in sources for file in look.workspace.glob(source.path)})


def _objects(schema: Any) -> Iterator[dict[str, Any]]:
    stack = [schema]
    while stack:
        part = stack.pop()
        if isinstance(part, dict):
            yield part
            stack += [inner for key, inner in part.items() if key not in ("enum", "const", "default", "examples")]
        elif isinstance(part, list):
            stack += part


def _labels(schema: dict[str, Any]) -> Iterator[Found]:
    labels = schema.get("enum")
    if not (isinstance(labels, list) and labels and all(isinstance(label, str) for label in labels)):
        help = "write the labels as `schema: {enum: [billing, refund]}`; quote those that look like numbers"
        yield Found("a label contract needs `enum`, a list of texts", _AT, help)
    elif any(unseen(label) for label in labels):
        yield Found("a label is empty, or nothing of it can be seen", _AT, "write a word, or take it out")
    elif any(label != label.strip() for label in labels):
        help = "an answer's outer blanks are dropped, so no answer could be this label"
        yield Found("a label begins or ends with blanks", _AT, help)


def _place(look: Look, at: Path) -> str:
    """Where the user wrote what stands at these keys of the whole schema."""
    if look.task.output_format.type == "tool_call":
        return _in_tool(look, at)
    shorthand = look.schema is not look.task.output_format.schema_
    return ".".join([_AT, *map(str, at[1:] if shorthand else at)])


def _in_tool(look: Look, at: Path) -> str:
    """anyOf, i, properties, arguments, …: of the i-th tool as it is written."""
    tools = list(look.task.output_format.schema_ or {})
    if at[:1] != ("anyOf",) or len(at) < 2 or not isinstance(at[1], int):
        return _AT
    inside = at[4:] if at[2:4] == ("properties", "arguments") else ()
    written = (look.task.output_format.schema_ or {})[tools[at[1]]]
    inside = inside[1:] if isinstance(written, dict) and is_shorthand(written) else inside
    return ".".join([_AT, tools[at[1]], *map(str, inside)])


_EXAMPLES = {
    "json": "write {field: {type: string}} under `schema:`",
    "label": "write `schema: {enum: [a, b]}`",
    "tool_call": "write {tool: {argument: {type: string}}} under `schema:`",
}
