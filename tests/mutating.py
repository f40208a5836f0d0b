# ruff: noqa: E501
"""Task files spoilt on purpose: real ones, with a few edits that know what a node, a key, a line and a byte are.

`case(seed)` is the same for the same seed and files. What the schema knows comes from compiler.task, and the files from
the golden folders, the templates and the root, so that both grow by themselves.
"""

from __future__ import annotations

import json
import random
import re
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, get_args

import yaml
from pydantic import BaseModel

from compiler import compile_task
from compiler.parse import ParseError, parse
from compiler.task import Task, sections
from compiler.workspace import Peek, Preset
from stages.diagnostics import Diagnostic, UserError
from stages.wording import render
from tests.compiling import ROOT, ROWS, shipped
from tests.in_memory import Memory

GOLDEN = ROOT / "tests" / "compiler"
NAMED = [name for file in GOLDEN.glob("accepts/*/files.txt") for name in file.read_text(encoding="utf-8").splitlines()]
FILES = frozenset([ROWS, "data/raw/booking_slots.jsonl", "models/one.gguf", "models/two/config.json", *NAMED])


class Raw(str):
    """A scalar that goes into the file as it stands."""

    __slots__ = ()


@dataclass
class Pairs:
    """A mapping that may hold a key twice."""

    items: list[list[Any]]


@dataclass(frozen=True)
class Fuzzed(Memory):
    """tunec's presets, and the workspace's own over them."""

    own: Mapping[str, Mapping[str, Preset]] = field(default_factory=dict)

    def presets(self, group: str) -> list[Mapping[str, Preset]]:
        return [*super().presets(group), dict(self.own.get(group, {}))]


@dataclass(frozen=True)
class Case:
    """What is compiled: a task, its overrides, and perhaps a preset of the workspace's own."""

    text: str
    overrides: list[str]
    workspace: Memory


# ---------------------------------------------------------------- odd values

NUMBERS: tuple[Any, ...] = (
    0, -1, 1, 2, 0.5, 1.0, -0.0, 1e-5, 1e308, -1e308, 5e-324, 1e-400, 2**31, 2**63, 2**64, 10**18, 10**19, 10**40,
    *map(Raw, ("1e999", "-.inf", ".nan", "0o17", "0x1F", "0b1", "010", "1_000", "3:30", ".5e3", "1,5", "+7", "1e5", "5.",
               "1.10", "2026-11-21", "1/2", "50%", "9" * 400, "0." + "0" * 300 + "1", "１２", "−5", "2k")),
)  # fmt: skip
WORDS: tuple[Any, ...] = (
    None, True, False, "", " ", "a", "x" * 5_000, "words " * 2_000, "none", "null", "true",
    *map(Raw, ("yes", "no", "on", "off", "Y", "NO", "~", "True", "tRUE", "=", "<<", "-", "?", ":", "|", ">", "@", "`", "%",
               "{", "}", "[", "]", "[[]]", "{{}: 1}", "'", '"', "#", "&a x", "*a", "!!binary aGk=", "!x y",
               "!!python/object/apply:os.system [id]", "!!set {a, b}", "---", "...", "? [a]\n: b", "\\", "\ufeff")),
)  # fmt: skip
UNICODE = (
    "é", "é", "訂位🍜", "שלום", "\u202egnp", "\u2066x\u2069", "\u200b", "\ufeff", "\u2028", "\x85", "\x00", "\x07", "\x1b[31m",
    "\x7f", "\r", "\n", "\t", "a\tb", "\U0010ffff", "\ufffe", "ﬁ", "Ａ", "𝒂", "👩‍👩‍👧", "a\u0301" * 50, "İ", "ß",
)  # fmt: skip
TEXTS = (
    "${oc.env:HOME}", "$(touch x)", "{{ text }}", "{text}", "{{ a.b[0] }}", "{% for a in b %}{{ a }}{% endfor %}",
    "{% if a %}", "{{ a | upper }}", "{{ a is nope }}", "{{ a | nope }}", "{{ '" + "(" * 300, "{{ " + "(" * 2_000, "{{ a" + ".b" * 2_000 + " }}",
    "{% if a %}" * 200 + "{% endif %}" * 200, "{{ a }}" * 3_000, "{% for loop in a %}{% endfor %}", "{{ loop }}", "{{ 1 // 0 }}",
    "{% raw %}", "{#", "{{ a if b }}", "{{ [" + "1, " * 2_000 + "] }}", "{% for a in b recursive %}{{ loop(a) }}{% endfor %}",
    "(", "[", "(?P<a>", "a{99999999999}", "(a+)+$", "(?i)[\x01-\U0010ffff]" * 20, "(" * 500 + ")" * 500, "\\", "(?s:.)*" * 50, "[z-a]", "*",
    "../..", "/etc/passwd", "data/raw/*", "data/**/*", "*/" * 60 + "*", "C:\\x", "con", "-h", "a/b", f"a/b@{'0' * 40}", "x.gguf", "models/one.gguf", "models/two",
    "q4_k_m", "q4_k_n", "slot_f1", "f1_slot", "json", "label", "text", "extraction", "smollm2-135m", "2026-11-21T00:00:00Z",
)  # fmt: skip
SCHEMAS: tuple[Any, ...] = (
    {"type": "object"}, {"type": "nope"}, {"type": ["string", "null"]}, {"type": []}, {"$ref": "#"}, {"$ref": "#/nope"}, {"$ref": "http://x/y"},
    {"$ref": 3}, {"$ref": "#/%zz"}, {"enum": []}, {"enum": ["a", "a"]}, {"enum": [1, None, {}]}, {"enum": "a"}, {"pattern": "("}, {"patternProperties": {"(": {}}},
    {"properties": 3}, {"properties": {"a": 3}}, {"required": "a"}, {"required": ["a", 1, {}] * 300}, {"items": False}, {"prefixItems": []}, {"allOf": 1}, {"anyOf": []},
    {"not": {"not": {}}}, {"const": {"a": [1]}}, {"minLength": -1}, {"multipleOf": 0}, {"$id": "http://x"}, {"$anchor": "a", "$ref": "#a"}, {"$schema": "http://json-schema.org/draft-04/schema#"},
    {"$dynamicRef": "#x"}, {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}},
    {"$ref": "#/$defs/a", "$defs": {"a": {"pattern": "("}}},
    {"$ref": "#/$defs/a", "$defs": {"a": {"properties": {"a": {"$ref": "#/$defs/a"}}}}},
    {"$ref": "#/$defs/a0", "$defs": {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(40)} | {"a40": {}}},
    {"type": "object", "properties": {f"f{n}": {"type": "string"} for n in range(300)}},
)  # fmt: skip


def odd(chance: random.Random) -> Any:
    """A value of any type that nobody would write in good faith."""
    match chance.randrange(8):
        case 0 | 1:
            return chance.choice(NUMBERS)
        case 2:
            return chance.choice(WORDS)
        case 3:
            return "".join(chance.choices([*UNICODE, *string.ascii_letters], k=chance.randint(1, 4)))
        case 4:
            return chance.choice(TEXTS)
        case 5:
            return chance.choice(SCHEMAS)
        case 6:
            return chance.choice(([], {}, [[]], [None], {"": None}, [{}], {"a": {"b": {"c": 1}}}, nested(chance)))
        case _:
            return [odd(chance) for _ in range(chance.randint(1, 3))]


def nested(chance: random.Random) -> Any:
    value: Any = "deep"
    for _ in range(chance.choice([5, 45, 60, 200])):
        value = [value] if chance.random() < 0.5 else {"a": value}
    return value


_OPEN: tuple[tuple[str, Sequence[Any]], ...] = (
    ("output_format.schema", SCHEMAS),
    ("output_format.schema.properties.people", SCHEMAS),
    ("input_template", TEXTS),
    ("baselines.rule.people", TEXTS),
    ("baselines.rule", [*WORDS, *NUMBERS]),
    ("system_prompt", [*TEXTS, *UNICODE, "word " * 100_000]),
    ("goal", [*TEXTS, *UNICODE]),
)


# ---------------------------------------------------------------- what the schema knows


@cache
def schema_keys() -> tuple[tuple[str, Any], ...]:
    """Every dotted key of task.yaml with its field, sections too."""
    return tuple(_keys(Task, ""))


def _keys(section: type[BaseModel], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, found in section.model_fields.items():
        path = prefix + (found.alias or name)
        yield path, found
        for inner in sections(found.annotation):
            yield from _keys(inner, f"{path}.")


def likely(info: Any, chance: random.Random) -> Any:
    """A value near what a field takes: one of its options, a number beside one of its bounds, or odd of the right kind."""
    options = [part for part in _leaves(info.annotation) if isinstance(part, str)]
    bounds = [value for mark in info.metadata for value in _bounds(mark) if isinstance(value, int | float)]
    near = [bound + step for bound in bounds for step in (0, 1, -1, 1e-9, 0.5)]
    free = [value for kind in _leaves(info.annotation) for value in _OF_KIND.get(kind, ())]
    return chance.choice(
        chance.choice([known for known in (options, near, free) if known] or [[True, 1, "a", {"a": 1}]])
    )


def _bounds(mark: Any) -> list[Any]:
    return [getattr(mark, name, None) for name in ("ge", "gt", "le", "lt", "min_length", "max_length")]


def _leaves(annotation: Any) -> Iterator[Any]:
    """The plain types and the options that an annotation is made of: of dict[str, Any], dict as well."""
    yield getattr(annotation, "__origin__", None) or annotation
    for part in get_args(annotation):
        yield from _leaves(part)


_OF_KIND: dict[Any, Sequence[Any]] = {
    str: [*TEXTS, *UNICODE],
    int: [value for value in NUMBERS if isinstance(value, int)],
    float: [value for value in NUMBERS if isinstance(value, int | float)],
    bool: [True, False, Raw("yes"), Raw("off")],
    dict: [*SCHEMAS, {}, {"majority": False}, {"rule": {"people": "("}}],
    list: [[], ["q8_0"], ["accuracy"]],
}


# ---------------------------------------------------------------- edits of nodes


def places(value: Any) -> list[tuple[list[Any], int]]:
    """Every child of every collection, as (the list that holds it, its index)."""
    rows = value.items if isinstance(value, Pairs) else value if isinstance(value, list) else []
    found = []
    for index, row in enumerate(rows):
        holder, at = (row, 1) if isinstance(value, Pairs) else (rows, index)
        found += [(holder, at), *places(holder[at])]
    return found


def collections(value: Any) -> list[Any]:
    own = [value] if isinstance(value, Pairs | list) else []
    rows = value.items if isinstance(value, Pairs) else value if isinstance(value, list) else []
    return [*own, *(inner for row in rows for inner in collections(row[1] if isinstance(value, Pairs) else row))]


def keys(value: Any) -> list[list[Any]]:
    """Every [key, value] of every mapping."""
    return [row for one in collections(value) if isinstance(one, Pairs) for row in one.items]


def replaced(tree: Any, chance: random.Random) -> None:
    if found := places(tree):
        holder, at = chance.choice(found)
        holder[at] = plain_to_tree(odd(chance))


def deleted(tree: Any, chance: random.Random) -> None:
    one = chance.choice(collections(tree))
    rows = one.items if isinstance(one, Pairs) else one
    if rows:
        del rows[chance.randrange(len(rows))]


def doubled(tree: Any, chance: random.Random) -> None:
    one = chance.choice(collections(tree))
    rows = one.items if isinstance(one, Pairs) else one
    if rows:
        row = chance.choice(rows)
        times = chance.choice([1, 1, 1, 40, 400]) if len(rows) < 50 else 1
        rows += [copied(row) for _ in range(times)]


def swapped(tree: Any, chance: random.Random) -> None:
    """Two values change places; a value inside the other is copied, so that the tree stays a tree."""
    found = places(tree)
    if len(found) > 1:
        (one, i), (other, j) = chance.sample(found, 2)
        one[i], other[j] = copied(other[j]), copied(one[i])


def moved(tree: Any, chance: random.Random) -> None:
    """A key goes to another section."""
    sections = [one for one in collections(tree) if isinstance(one, Pairs)]
    if sections and (source := chance.choice(sections)).items:
        target = chance.choice(sections)
        row = source.items.pop(chance.randrange(len(source.items)))
        target.items.append(copied(row))


def misspelt(tree: Any, chance: random.Random) -> None:
    if found := [row for row in keys(tree) if isinstance(row[0], str) and row[0]]:
        row = chance.choice(found)
        at = chance.randrange(len(row[0]))
        letter = chance.choice(string.ascii_lowercase)
        spelling = [
            row[0][:at] + row[0][at + 1 :], row[0][:at] + letter + row[0][at:], row[0].upper(), row[0].replace("_", "-"),
            row[0] + "s", row[0][::-1], row[0] + " ", chance.choice(UNICODE) + row[0], "_".join(reversed(row[0].split("_"))),
        ]  # fmt: skip
        row[0] = chance.choice(spelling)


def oddly_named(tree: Any, chance: random.Random) -> None:
    if found := keys(tree):
        odd_key = chance.choice(
            [*WORDS[:12], *NUMBERS[:9], *UNICODE, "_target_", "<<", "__class__", "self", "model_config"]
        )
        chance.choice(found)[0] = odd_key if odd_key is not None else "~"


def wrapped(tree: Any, chance: random.Random) -> None:
    if found := places(tree):
        holder, at = chance.choice(found)
        holder[at] = chance.choice([[holder[at]], Pairs([["a", holder[at]]]), plain_to_tree(nested(chance))])


def unwrapped(tree: Any, chance: random.Random) -> None:
    """A collection gives way to its first child."""
    found = [(holder, at) for holder, at in places(tree) if places(holder[at])]
    if found:
        holder, at = chance.choice(found)
        inner, index = places(holder[at])[0]
        holder[at] = inner[index]


def written_in(tree: Any, chance: random.Random) -> None:
    """A key of the schema is set, at its place, to something near or far from what it takes."""
    path, info = chance.choice(schema_keys())
    value = likely(info, chance) if chance.random() < 0.8 else odd(chance)
    set_at(tree, path.split("."), plain_to_tree(value))


def described(tree: Any, chance: random.Random) -> None:
    """What the schema leaves open: the contract, the template and the rule's patterns."""
    path, values = chance.choice(_OPEN)
    set_at(tree, path.split("."), plain_to_tree(chance.choice(values)))


def crossed(tree: Any, chance: random.Random) -> None:
    """A section comes from another file."""
    other = chance.choice(chance.choice(trees()))
    if isinstance(other, Pairs) and other.items:
        row = copied(chance.choice(other.items))
        set_at(tree, [row[0]], row[1])


def set_at(tree: Any, path: list[str], value: Any) -> None:
    first, *rest = path
    rows = tree.items if isinstance(tree, Pairs) else []
    row = next((row for row in rows if row[0] == first), None)
    if row is None:
        row = [first, Pairs([]) if rest else value]
        rows.append(row)
    if not rest:
        row[1] = value
    elif isinstance(row[1], list) and row[1]:
        set_at(row[1][0], rest, value)
    else:
        row[1] = row[1] if isinstance(row[1], Pairs) else Pairs([])
        set_at(row[1], rest, value)


def copied(value: Any) -> Any:
    if isinstance(value, Pairs):
        return Pairs([copied(row) for row in value.items])
    return [copied(part) for part in value] if isinstance(value, list) else value


NODE_EDITS: tuple[Callable[[Any, random.Random], None], ...] = (
    replaced, replaced, replaced, deleted, doubled, swapped, moved, misspelt, oddly_named, wrapped, unwrapped,
    crossed, crossed, written_in, written_in, written_in, written_in, written_in, described, described,
)  # fmt: skip


# ---------------------------------------------------------------- trees and texts


def plain_to_tree(value: Any) -> Any:
    if isinstance(value, dict):
        return Pairs([[key, plain_to_tree(inner)] for key, inner in value.items()])
    return [plain_to_tree(part) for part in value] if isinstance(value, list) else value


def written(value: Any, chance: random.Random, indent: int = 0) -> str:
    """A tree as YAML, in block style down to where flow style takes over."""
    if not isinstance(value, Pairs | list) or not places(value) or indent > 40 or chance.random() < 0.1:
        return f" {flow(value)}\n"
    pad = " " * indent
    if isinstance(value, list):
        return "\n" + "".join(f"{pad}-{written(part, chance, indent + 2)}" for part in value)
    return "\n" + "".join(f"{pad}{key_of(key)}:{written(part, chance, indent + 2)}" for key, part in value.items)


def flow(value: Any) -> str:
    if isinstance(value, Pairs):
        return "{" + ", ".join(f"{key_of(key)}: {flow(part)}" for key, part in value.items) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, Raw):
        return str(value)
    return "~" if value is None else json.dumps(value, ensure_ascii=False)


def key_of(key: Any) -> str:
    return key if isinstance(key, str) and key.isidentifier() else flow(key)


@cache
def texts() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The real files: those that compile, and those that do not."""
    good = [*GOLDEN.glob("accepts/*/task.yaml"), *ROOT.glob("tunec/templates/*/task.yaml"), ROOT / "task.yaml"]
    bad = GOLDEN.glob("rejects/*/task.yaml")
    read = [tuple(file.read_text(encoding="utf-8") for file in sorted(files)) for files in (good, bad)]
    return read[0], read[1]


@cache
def trees() -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The same as trees, where they are YAML."""
    read = [tuple(tree for text in group if (tree := _tree(text)) is not None) for group in texts()]
    return read[0], read[1]


def _tree(text: str) -> Any:
    try:
        return plain_to_tree(parse(text, "task.yaml").plain())
    except ParseError:
        return None


# ---------------------------------------------------------------- edits of texts


def with_bits_flipped(text: str, chance: random.Random) -> str:
    raw = bytearray(text.encode(errors="surrogatepass"))
    for _ in range(chance.randint(1, 4)):
        if raw:
            raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
    return raw.decode(errors="replace")


def with_lines_changed(text: str, chance: random.Random) -> str:
    rows = text.splitlines() or [""]
    at, other = chance.randrange(len(rows)), chance.randrange(len(rows))
    match chance.randrange(7):
        case 0:
            del rows[at]
        case 1:
            rows.insert(at, rows[other])
        case 2:
            rows[at], rows[other] = rows[other], rows[at]
        case 3:
            rows[at] = chance.choice(["  ", "\t", " ", "    "]) + rows[at]
        case 4:
            rows[at] = rows[at].lstrip()
        case 5:
            rows[at] = rows[at][: chance.randrange(len(rows[at]) + 1)]
        case _:
            rows[at:] = [" " + row for row in rows[at:]]
    return "\n".join(rows) + "\n"


def with_a_piece_put_in(text: str, chance: random.Random) -> str:
    at = chance.randrange(len(text) + 1)
    pieces = [
        *UNICODE,
        *map(str, WORDS),
        *TEXTS,
        "{",
        "}",
        "[",
        "]",
        ":",
        ": ",
        ",",
        "- ",
        "&a ",
        "*a",
        "!",
        "\t",
        "${x}",
    ]
    return text[:at] + chance.choice(pieces) + text[at:]


def cut(text: str, chance: random.Random) -> str:
    start, end = sorted(chance.randrange(len(text) + 1) for _ in range(2))
    return chance.choice([text[:start], text[start:], text[:start] + text[end:], text + text[start:end]])


def otherwise_encoded(text: str, chance: random.Random) -> str:
    return chance.choice(
        ["\ufeff" + text, text.replace("\n", "\r\n"), text.replace("\n", "\r"), text.replace("  ", "\t")]
    )


TEXT_EDITS = (with_bits_flipped, with_lines_changed, with_lines_changed, with_a_piece_put_in, cut, otherwise_encoded)


# ---------------------------------------------------------------- cases

_PEEKS = (
    Peek(frozenset(), 0),
    Peek(frozenset({"text", "output"}), 50),
    Peek(frozenset({"", "split", "\u202e", "label"}), 10**12),
)


def case(seed: int) -> Case:
    chance = random.Random(seed)
    own = {}
    if chance.random() < 0.1:
        group, name = chance.choice([(group, name) for group in shipped() for name in shipped()[group]])
        shown = "/".join(filter(None, ("conf", group, f"{name}.yaml")))
        own = {group: {name: Preset(shown, spoilt(chance))}}
    overrides = [override(chance) for _ in range(chance.choice([0] * 8 + [1, 3]))]
    peeks = {file: chance.choice(_PEEKS) for file in FILES} if chance.random() < 0.3 else {}
    return Case(spoilt(chance), overrides, Fuzzed(FILES, shipped(), peeks, own=own))


def spoilt(chance: random.Random) -> str:
    """A real file after a few edits: of its nodes, of its text, or of both."""
    bad = chance.random() < 0.2
    text = chance.choice(texts()[bad])
    if by_nodes := chance.random() < 0.8:
        tree = copied(chance.choice(trees()[bad]))
        for _ in range(chance.choice([1, 1, 1, 1, 2, 3, 6])):
            if isinstance(tree, Pairs | list):
                chance.choice(NODE_EDITS)(tree, chance)
        text = written(tree, chance).lstrip("\n")
    if not by_nodes or chance.random() < 0.15:
        for _ in range(chance.randint(1, 3)):
            text = chance.choice(TEXT_EDITS)(text, chance)
    return text


def outcome(given: Case) -> str | None:
    """Compile a case: the code of the first diagnostic, or None for a plan. Whatever else is raised is a bug."""
    try:
        found = compile_task(given.text, given.workspace, overrides=given.overrides)
        dvc_yaml, params_yaml = found.dvc_yaml, found.params_yaml
    except (ParseError, UserError) as error:
        checked(error.diagnostics, given)
        return error.diagnostics[0].code
    checked(found.warnings, given)
    names = {instance.name for instance in found.plan.instances}
    assert yaml.load(dvc_yaml, Loader=yaml.CSafeLoader)["stages"].keys() == names
    assert yaml.load(params_yaml, Loader=yaml.CSafeLoader).keys() <= names
    return None


def checked(found: Sequence[Diagnostic], given: Case) -> None:
    """Every diagnostic is whole, and can be shown in each format."""
    rows = given.text.removeprefix("\ufeff").splitlines()
    for one in found:
        assert re.fullmatch(r"T\d{3}", one.code) and one.message and one.help
        assert one.span is None or (one.span.line >= 1 and one.span.column >= 1 and one.span.length >= 1)
        json.dumps(one.plain()).encode()
        render(one, lambda span: rows[span.line - 1] if span.line <= len(rows) else None).encode()


def override(chance: random.Random) -> str:
    path, info = chance.choice(schema_keys())
    value = plain_to_tree(likely(info, chance) if chance.random() < 0.7 else odd(chance))
    pieces = [
        f"{path}={flow(value)}",
        f"{path}={value}",
        path,
        f"{path}.a={flow(value)}",
        f"{chance.choice(UNICODE)}{path}=1",
    ]
    return chance.choice([*pieces[:1] * 6, *pieces])
