"""Block YAML as PyYAML writes it, some twenty times as fast: a sweep has a thousand stages, and each is a few lists.

Scalars are PyYAML's own, so that what needs quotes gets them; a property test holds both to the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import yaml

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*( [A-Za-z0-9_./-]+)*")
_WORDS = frozenset({"y", "n", "yes", "no", "true", "false", "on", "off", "null"})
_BREAKS = re.compile("[\r\x85\u2028\u2029\ufeff]")
_LONGEST_KEY = 100  # characters; PyYAML writes longer ones in a form of their own


def block(value: Mapping[str, Any], indent: int = 0) -> str:
    """A mapping in block style, each line indented by so many blanks."""
    pad = " " * indent
    try:
        return "".join(_mapping(value, pad))
    except _OddKeyError:
        return _indented(_dumped(dict(value)), pad)


class _OddKeyError(ValueError):
    """A key that does not stand on one short line, or is empty."""


def _mapping(value: Mapping[str, Any], pad: str) -> Iterator[str]:
    for key, inner in value.items():
        written = scalar(key)
        if len(written) > _LONGEST_KEY or not str(key) or _BREAKS.search(str(key)) or "\n" in str(key):
            raise _OddKeyError(key)
        yield from _entry(f"{pad}{written}:", inner, pad)


def _entry(head: str, inner: Any, pad: str) -> Iterator[str]:
    if isinstance(inner, Mapping) and inner:
        yield f"{head}\n"
        yield from _mapping(inner, f"{pad}  ")
    elif isinstance(inner, list | tuple) and inner:
        yield f"{head}\n"
        for one in inner:
            yield from _item(one, pad)
    else:
        yield f"{head} {_continued(inner, pad)}\n"


def _item(one: Any, pad: str) -> Iterator[str]:
    deeper = f"{pad}  "
    if isinstance(one, Mapping) and one:
        lines = _mapping(one, deeper)
    elif isinstance(one, list | tuple) and one:
        lines = (line for inner in one for line in _item(inner, deeper))
    else:
        yield f"{pad}- {_continued(one, pad)}\n"
        return
    yield f"{pad}- {next(lines)[len(deeper) :]}"
    yield from lines


def _continued(value: Any, pad: str) -> str:
    """A scalar whose further lines, should it have any, stand below it."""
    first, *rest = scalar(value).split("\n")
    return "\n".join([first, *(f"{pad}{line}" if line.strip() else line for line in rest)])


def scalar(value: Any) -> str:
    """A scalar, or an empty collection, as it stands behind a key."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return _dumped({"k": value})[3:].rstrip("\n")


@lru_cache(maxsize=1024)
def _text(value: str) -> str:
    written = _dumped({"k": value})
    # A text that ends in line breaks keeps them in its last lines.
    return written[3:].removesuffix("\n")


def _indented(text: str, pad: str) -> str:
    return "".join(pad + line if line.strip() else line for line in text.splitlines(keepends=True))


def _dumped(value: Any) -> str:
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000)
    return text


class _Dumper(yaml.SafeDumper):
    """Block scalars for texts of several lines, and no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represented(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    # A block scalar cannot hold trailing blanks or control characters faithfully, and indented here it would be pushed.
    style = "|" if "\n" in value and not any(line != line.rstrip() for line in value.split("\n")) else None
    # YAML takes these for line breaks, which only double quotes escape; a block that ends in empty lines stays open.
    if _BREAKS.search(value) or value.endswith("\n\n") or value == "\n":
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _represented)
