"""Paths: a task reads only what lies in its own folder."""

from __future__ import annotations

import re
from collections.abc import Iterator

from compiler.checks._check import Found, Look, check
from compiler.resolve import HUB_ID, did_you_mean
from compiler.workspace import MOST_OPEN, Workspace, too_wild

_OUTSIDE = re.compile(r"^[/~]|^[A-Za-z]:|\\|(^|/)\.\.(/|$)")
_UNPRINTED = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]|\$\{")
_DEVICE = re.compile(r"(^|/)(con|prn|aux|nul|com\d|lpt\d)(\.[^/]*)?$", re.IGNORECASE)
_PACKAGE = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_LONGEST = 200  # characters of a path


@check("T101")
def source_exists(look: Look) -> Iterator[Found]:
    """A data source that matches no file, or data files that hold no row at all.

    Paths count from the folder of task.yaml. Put the file there, correct the path, or bring rows; the first line of a
    CSV names its columns and is no row.
    """
    for index, source in enumerate(look.task.data.sources):
        if source.hub:
            continue
        if not unsafe(source.path, look.workspace) and not look.workspace.glob(source.path):
            what = "matches no file" if "*" in source.path else "is not there"
            near = did_you_mean(source.path, look.workspace.glob("data/raw/*"))
            inside = f"{source.path.rstrip('/')}/*"
            folder = f"that is a folder: write `{inside}`" if look.workspace.glob(inside) else None
            help = folder or near or "put the file there, or correct the path; it counts from the folder of task.yaml"
            yield Found(f"the data file `{source.path}` {what}", f"data.sources.{index}.path", help)
        elif look.all_empty:
            help = "bring rows; the first line of a CSV names its columns and is no row"
            yield Found(f"the data file `{source.path}` holds no row", f"data.sources.{index}.path", help)


@check("T102")
def path_stays_inside(look: Look) -> Iterator[Found]:
    """A path that is absolute, climbs or is linked out of the workspace, or is no plain file name.

    A task reads only what lies in its own folder, so that it builds the same anywhere. Copy the file into the workspace
    under a plain name.
    """
    paths = [(source.path, f"data.sources.{index}.path") for index, source in enumerate(look.task.data.sources)]
    if look.task.data.dedupe.embedder:
        paths.append((look.task.data.dedupe.embedder, "data.dedupe.embedder"))
    if look.task.data.general_mix:
        paths.append((look.task.data.general_mix.path, "data.general_mix.path"))
    prompts = look.task.generate.prompts if look.task.generate else None
    for name in ("rows", "answers", "judge"):
        if prompts and (prompt := getattr(prompts, name)):
            paths.append((prompt, f"generate.prompts.{name}"))
    if look.task.data.judge and look.task.data.judge.prompt:
        paths.append((look.task.data.judge.prompt, "data.judge.prompt"))
    if look.task.data.review:
        paths.append((look.task.data.review.file, "data.review.file"))
    if look.task.base_model.path:
        paths.append((look.task.base_model.path, "base_model.path"))
    if look.task.training.signals.general:
        paths.append((look.task.training.signals.general, "training.signals.general"))
    if look.task.training.chat_template:
        paths.append((look.task.training.chat_template, "training.chat_template"))
    for path, at in paths:
        if reason := unsafe(path, look.workspace):
            note = "a task reads only what lies in its own folder, so that it builds the same anywhere"
            yield Found(reason, at, "copy the file into the workspace under a plain name, and name it from there", note)
    file = look.task.base_model.file
    why = (_odd(file) or ("leads out of the package" if _OUTSIDE.search(file) else None)) if file else None
    if file and why:
        help = "name a GGUF file of the package, relative to the package's folder"
        yield Found(f"the path {_shown(file)} {why}", "base_model.file", help)


@check("T016")
def model_has_a_plain_name(look: Look) -> Iterator[Found]:
    """A value of the wrong form: a task name with blanks, a language that is no code, a repo that is no Hub id.

    Write it as the help says.
    """
    package, repo = look.task.base_model.package, look.task.base_model.repo
    if package is not None and not _PACKAGE.fullmatch(package):
        help = "write the import name of an installed package: letters, digits and _, without dots"
        yield Found(f"{_shown(package)} is no package", "base_model.package", help)
    hub = HUB_ID.fullmatch(repo) if repo is not None else None
    if repo is not None and not (hub and hub["repo"] == repo and repo.isascii()):
        help = "write it like HuggingFaceTB/SmolLM2-135M-Instruct; the commit stands in `revision:`"
        yield Found(f"{_shown(repo)} is no Hub id", "base_model.repo", help)


def unsafe(path: str, workspace: Workspace) -> str | None:
    """Why a path, or a file that a pattern finds, cannot be read; None when it can."""
    if why := _unfit(path, workspace):
        return f"the path {_shown(path)} {why}"
    found = workspace.glob(path) if "*" in path else []
    whys = ((file, _unfit(file, workspace)) for file in found)
    return next((f"the file {_shown(file)}, found here, {why}" for file, why in whys if why), None)


def _unfit(path: str, workspace: Workspace) -> str | None:
    if why := _odd(path):
        return why
    return "leads out of the workspace" if _OUTSIDE.search(path) or workspace.escapes(path) else None


def _odd(path: str) -> str | None:
    """Why a path is no plain name on every system, wherever it leads."""
    if len(path) > _LONGEST:
        return f"is longer than {_LONGEST} characters"
    if too_wild(path):
        return f"has `*` in more than {MOST_OPEN} of its parts"
    if _UNPRINTED.search(path):
        return "holds control or direction characters, or an interpolation"
    if _DEVICE.search(path):
        return "is the name of a device on some systems"
    return None


def _shown(path: str) -> str:
    return ascii(path if len(path) <= 80 else f"{path[:77]}...")
