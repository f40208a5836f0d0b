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
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path

import stages
from stages.base import Stage

_ROOT = Path(str(stages.__file__)).parent


def fingerprint(stage: Stage) -> str:
    """Lines of `NAME VALUE`, sorted: one a module, one a library, and Python's own version."""
    modules = sorted(_closure(f"stages.{Path(str(_file_of(stage))).stem}"))
    lines = [f"{_relative(module)} {_hash(module)}" for module in modules]
    lines += sorted({line for module in modules for line in _templates(module)})
    lines += [f"{library} {_version(library)}" for library in sorted(stage.libraries)]
    return "\n".join([*lines, f"python {'.'.join(platform.python_version_tuple()[:2])}"]) + "\n"


def difference(before: str, after: str) -> list[str]:
    """What changed from one fingerprint to another, in words."""
    old, new = (dict(line.rsplit(" ", 1) for line in text.splitlines()) for text in (before, after))
    changed = [name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]
    return [
        f"{name} changed" if name.startswith("stages/") else f"{name} {old.get(name, '-')} -> {new.get(name, '-')}"
        for name in changed
    ]


def _file_of(stage: Stage) -> str:
    return stage.run.__code__.co_filename


def _closure(module: str) -> set[str]:
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in found and _path(name) is not None:
            found.add(name)
            waiting += _reached(name)
    return found


@cache
def _reached(module: str) -> tuple[str, ...]:
    return tuple(_imports(ast.parse(_source(module))))


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=str(name), names=names, level=0) if name.split(".")[0] == "stages":
                yield name
                yield from (f"{name}.{alias.name}" for alias in names)
            case ast.Import(names=names):
                yield from (alias.name for alias in names if alias.name.startswith("stages."))
            case ast.Call(func=ast.Name(id="members"), args=[ast.Constant(value=str(package)), *_]):
                yield from (
                    f"{package}.{file.stem}" for file in sorted((_ROOT.parent / package.replace(".", "/")).glob("*.py"))
                )


@cache
def _hash(module: str) -> str:
    tree = ast.parse(_source(module))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef) and ast.get_docstring(
            node
        ):
            node.body = node.body[1:]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:16]


@cache
def _templates(module: str) -> tuple[str, ...]:
    """The template files that a module names, each with its hash."""
    names = (n.value for n in ast.walk(ast.parse(_source(module))) if isinstance(n, ast.Constant))
    files = (_ROOT / name for name in names if isinstance(name, str) and name.endswith(".jinja"))
    return tuple(f"stages/{f.name} {hashlib.sha256(f.read_bytes()).hexdigest()[:16]}" for f in files if f.is_file())


@cache
def _source(module: str) -> str:
    path = _path(module)
    return path.read_text(encoding="utf-8") if path else ""


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
