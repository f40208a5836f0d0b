"""What a stage is made of: the code that it reaches and the versions of the libraries that it computes with.

A stage's closure is its own module and every module of `stages` that it imports, directly or not, also inside
functions; a call `members("stages.metrics", ...)` reaches every module of that folder, and a name such as
"report.html.jinja" in the code reaches that file. Comments, docstrings and layout of code do not count: the hash is
over the syntax tree.
"""

from __future__ import annotations

import ast
import hashlib
import platform
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

import stages
from stages.base import Made, Stage

_ROOT = Path(str(stages.__file__)).parent


@dataclass(frozen=True)
class Module:
    """hash: of what its code says. imports: modules that it names, of which some may be none of ours. members: those of
    the folders that it scans. templates: `NAME HASH` of the files that it names.
    """

    hash: str
    imports: tuple[str, ...]
    members: tuple[str, ...]
    templates: tuple[str, ...]


def fingerprint(stage: Stage, made: Made) -> str:
    """Lines of `NAME VALUE`, sorted: one a module, one a library, and Python's own version."""
    modules = sorted(_closure(f"stages.{Path(stage.run.__code__.co_filename).stem}", made))
    lines = [f"{_relative(name)} {_module(name).hash}" for name in modules]
    lines += sorted({line for name in modules for line in _module(name).templates})
    lines += [f"{library} {_version(library)}" for library in sorted(made.libraries)]
    return "\n".join([*lines, f"python {'.'.join(platform.python_version_tuple()[:2])}"]) + "\n"


def difference(before: str, after: str) -> list[str]:
    """What changed from one fingerprint to another, in words."""
    old, new = (dict(line.rsplit(" ", 1) for line in text.splitlines()) for text in (before, after))
    changed = [name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]
    return [
        f"{name} changed" if name.startswith("stages/") else f"{name} {old.get(name, '-')} -> {new.get(name, '-')}"
        for name in changed
    ]


def differing(text: str) -> list[str]:
    """What of a fingerprint that was written on another machine is not so on this one, in words.

    Which build of a library it is (`2.13.0+cpu`, `2.13.0+cu128`) goes with the machine, and is no difference.
    """
    said = [line.rsplit(" ", 1) for line in text.splitlines()]
    return [_other(name, value, here) for name, value in said if (here := _here(name)) != value.split("+")[0]]


def _other(name: str, value: str, here: str) -> str:
    return f"{name} is another" if name.startswith("stages/") else f"{name} is {here}, not {value}"


def _here(name: str) -> str:
    """The value of one line of a fingerprint on this machine."""
    if name == "python":
        return ".".join(platform.python_version_tuple()[:2])
    if not name.startswith("stages/"):
        return _version(name).split("+")[0]
    if name.endswith(".py"):
        return _module(name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")).hash
    file = _ROOT / name.removeprefix("stages/")
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16] if file.is_file() else "absent"


def _closure(first: str, made: Made) -> set[str]:
    found: set[str] = set()
    waiting = [first]
    while waiting:
        name = waiting.pop()
        if name in found or name.startswith(made.never) or _path(name) is None:
            continue
        found.add(name)
        module = _module(name)
        waiting += module.imports
        waiting += (member for member in module.members if made.members is None or member in made.members)
    return found


@cache
def _module(name: str) -> Module:
    path = _path(name)
    tree = ast.parse(path.read_text(encoding="utf-8") if path else "")
    nodes = list(ast.walk(tree))
    for node in nodes:
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            node.body = node.body[1:] if ast.get_docstring(node) else node.body
    said = hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:16]
    return Module(said, tuple(_imports(nodes)), tuple(_members(nodes)), tuple(_templates(nodes)))


def _imports(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        match node:
            case ast.ImportFrom(module=str(name), names=names, level=0) if name.split(".")[0] == "stages":
                yield name
                yield from (f"{name}.{alias.name}" for alias in names)
            case ast.Import(names=names):
                yield from (alias.name for alias in names if alias.name.startswith("stages."))


def _members(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """The modules of every folder that is scanned."""
    for node in nodes:
        match node:
            case ast.Call(func=ast.Name(id="members"), args=[ast.Constant(value=str(package)), *_]):
                folder = _ROOT.parent / package.replace(".", "/")
                yield from (f"{package}.{file.stem}" for file in sorted(folder.glob("*.py")))


def _templates(nodes: Iterable[ast.AST]) -> Iterator[str]:
    names = (node.value for node in nodes if isinstance(node, ast.Constant))
    files = (_ROOT / name for name in names if isinstance(name, str) and name.endswith(".jinja"))
    for file in files:
        if file.is_file():
            yield f"stages/{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()[:16]}"


@cache
def _path(module: str) -> Path | None:
    base = _ROOT.parent / module.replace(".", "/")
    candidates = (base.with_suffix(".py"), base / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)


def _relative(module: str) -> str:
    path = _path(module)
    return path.relative_to(_ROOT.parent).as_posix() if path else module


@cache
def _version(library: str) -> str:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return "absent"
