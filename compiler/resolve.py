"""Pass 2: lay task.yaml over the presets that it names, so that nothing is implicit and every value has an origin.

Later wins: conf/defaults.yaml < conf/task_type < conf/method < conf/base_model < conf/execution < conf/quantization <
the same in the workspace's own conf/ < task.yaml < command line. A node keeps the span of the file that it came from:
that is its origin.

What a preset says under `when: NAME:` holds beside that method or adapter alone.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache, reduce

from compiler import executions, quantizing
from compiler.parse import MAX_DEPTH, Node, ParseError, overlay, parse_value, set_in
from compiler.recipe import After
from compiler.workspace import Preset, Workspace
from stages.catalog import QUANTIZATIONS
from stages.diagnostics import Diagnostic, Span
from stages.facts import adapters, methods

COMMAND_LINE = "<command line>"
_MOST = 200  # overrides of one command
_NAMED = 3  # names that one may have meant
HUB_ID = re.compile(r"(?P<repo>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(@(?P<revision>[0-9a-f]{40}))?")
_KEY_PATH = re.compile(r"[A-Za-z_][\w-]*(\.[A-Za-z_][\w-]*)*")

# The key that names a preset, for each group, in the order that they are laid over one another.
_GROUPS = (
    ("task_type", "task_type"),
    ("method", "training.method"),
    ("base_model", "training.base_model"),
    ("execution", "execution.type"),
    ("quantization", "quantization.preset"),
)


def overridden(task: Node, overrides: list[str]) -> Node:
    """The task with the command line's word above its own. Raises ParseError (T201) for what is no override."""
    if not isinstance(task.value, dict):
        found = Diagnostic("T013", "a task is a mapping of keys to values", task.span, help="begin with `task_name: …`")
        raise ParseError([found])
    return reduce(set_in, _written(task, overrides))


def resolve(written: Node, workspace: Workspace) -> Node:
    """What the user wrote, laid over the presets. Raises ParseError when a preset cannot be read or found."""
    written = in_full(_qlora(written))
    return reduce(overlay, [*_presets(written, workspace), executions.without_preset(written)])


def leaf(path: str, node: Node) -> Node:
    """A tree that holds one value, at a dotted path."""
    for part in reversed(path.split(".")):
        node = Node({part: node}, node.span, node.span)
    return node


def layers(task: Node, overrides: list[str], workspace: Workspace) -> list[Node]:
    """What is laid over one another, lowest first: presets, the task, each override, and what `method: qlora` among
    these means. Raises as `resolve` does."""
    written = _written(task, overrides)
    whole = reduce(set_in, written)
    return [*_presets(_qlora(whole), workspace), *written, *_meant_by_qlora(whole)]


def in_full(written: Node) -> Node:
    """Sections that are written as a preset's name, as sections."""
    return quantizing.named(executions.named(written))


def _written(task: Node, overrides: list[str]) -> list[Node]:
    chosen = [in_full(_override(override)) for override in _unlike(overrides)]
    return [quantizing.giving_way(in_full(in_steps(task)), chosen), *chosen]


def model_slug(written: str) -> str:
    """A base model's name as part of stage names: letters, digits, `_` and `-`."""
    last = written.split("@")[0].removesuffix(".gguf").rstrip("/").rsplit("/", 1)[-1]
    return re.sub(r"[^A-Za-z0-9_]+", "-", last).strip("-").lower() or "model"


def did_you_mean(wrong: str, known: list[str]) -> str | None:
    near = nearest(wrong, known)
    named = [near] if near else _with_the_word(wrong, known)
    *others, last = [f"`{name}`" for name in named] or [""]
    return f"did you mean {' or '.join(filter(None, [', '.join(others), last]))}?" if last else None


def _with_the_word(wrong: str, known: list[str]) -> list[str]:
    """The names that `wrong` is a whole word of, as `f1` is of `macro_f1`; none where they are too many."""
    found = [name for name in known if wrong.lower() in re.split("[_-]", name)]
    return found if len(found) <= _NAMED else []


def nearest(wrong: str, known: list[str]) -> str | None:
    """The known name that was likely meant; None where none is near."""
    from difflib import get_close_matches  # a task without a mistake does not wait for it

    by_words = {_sorted_words(name): name for name in known}
    close = get_close_matches(wrong.lower(), known, n=1, cutoff=0.6)
    close = close or [by_words[words] for words in get_close_matches(_sorted_words(wrong.lower()), list(by_words), n=1)]
    return close[0] if close else None


def _sorted_words(name: str) -> str:
    """`f1_marco` is near `macro_f1`, when the words are in one order."""
    return "_".join(sorted(name.split("_")))


def _unlike(overrides: list[str]) -> list[str]:
    """Overrides have no order (they are kept sorted), so of two for one key neither could win."""
    if len(overrides) > _MOST:
        message = f"{len(overrides):,} overrides; at most {_MOST} are read"
        raise ParseError([Diagnostic("T201", message, Span(COMMAND_LINE, 1), help="write them into task.yaml")])
    keys = Counter(override.partition("=")[0] for override in overrides)
    twice = sorted(key for key, times in keys.items() if times > 1)
    if twice:
        span = Span(COMMAND_LINE, 1, 1, len(twice[0]))
        raise ParseError([Diagnostic("T201", f"`{twice[0]}` is set twice", span, help="keep one of them")])
    return overrides


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:80]}…"


def _override(text: str) -> Node:
    """`training.lora.r=8` as a tree of one leaf."""
    path, equals, value = text.partition("=")
    span = Span(COMMAND_LINE, 1, 1, max(1, len(path)))
    if not equals or not _KEY_PATH.fullmatch(path) or path.count(".") >= MAX_DEPTH:
        found = Diagnostic("T201", f"`{_short(text)}` is not an override", span, help="write it like training.lora.r=8")
        raise ParseError([found])
    if "_target_" in path.split("."):
        help = "remove the key"
        raise ParseError(
            [Diagnostic("T009", "`_target_` would build an object, which tunec never does", span, help=help)]
        )
    try:
        node = parse_value(value, COMMAND_LINE)
    except ParseError as error:
        note = f"in the override `{_short(text)}`"
        raise ParseError([d._replace(notes=(*d.notes, note)) for d in error.diagnostics]) from None
    return leaf(path, Node(node.value, span, span, node.written))


def _qlora(written: Node) -> Node:
    return reduce(set_in, [written, *_meant_by_qlora(written)])


def _meant_by_qlora(written: Node) -> list[Node]:
    """`method: qlora` is how many say supervised training of an adapter on a 4-bit base; of two trainings, either."""
    methods = {path: written.get(path) for path in ("training.method", "training.after.method")}
    said = {path: method for path, method in methods.items() if method is not None and method.value == "qlora"}
    adapter = written.get("training.adapter")
    if said and adapter is not None and adapter.value != "qlora":
        message = f"`method: qlora` trains a low-rank adapter on a 4-bit base, and `adapter` is `{adapter.value}`"
        help = "remove `adapter`, or write `method: sft`"
        raise ParseError([Diagnostic("T134", message, adapter.span, help=help)])
    meant = [leaf(path, Node("sft", method.span, method.key)) for path, method in said.items()]
    return meant + [leaf("training.adapter", Node("qlora", method.span, method.key)) for method in said.values()]


def in_steps(written: Node) -> Node:
    """`training: [FIRST, SECOND]` as the second with `after: FIRST`. What they share may stand in either."""
    training = written.get("training")
    if training is None or not isinstance(training.value, list):
        return written
    steps = training.value
    if len(steps) != 2 or not all(isinstance(step.value, dict) for step in steps):
        help = "write two, such as [{base_model: NAME, method: sft}, {method: dpo}], or a mapping for one training"
        raise ParseError(
            [Diagnostic("T675", "`training` is a list, but not of two trainings", training.span, help=help)]
        )
    first, second = (dict(step.value) for step in steps)
    after = {name: node for name, node in first.items() if name in After.model_fields}
    shared = {name: node for name, node in first.items() if name not in After.model_fields}
    both = {**shared, **second, "after": Node(after, steps[0].span, steps[0].span)}
    return Node({**written.value, "training": Node(both, training.span, training.key)}, written.span, written.key)


def _presets(written: Node, workspace: Workspace) -> Iterator[Node]:
    """The layers below task.yaml, lowest first."""
    groups = [(layer.get("defaults")) for layer in workspace.presets("")]
    defaults = [_mapping(preset) for preset in groups if preset]
    known = reduce(overlay, [*defaults, written])
    yield from _of_the_first(known, written, workspace)
    chosen = [(group, _named(known, key)) for group, key in _GROUPS]
    first = _named(written, "training.after.method")
    named = [*chosen, ("method", first)]
    found = [problem for group, node in named if node for problem in _missing(group, node, workspace)]
    if found:
        raise ParseError(found)
    depth = max(len(workspace.presets(group)) for group, _ in _GROUPS)
    layers: list[Node] = []
    for level in range(depth):
        layers += defaults[level : level + 1]
        for group, node in chosen:
            if node is not None:
                layers += _layer(group, str(node.value), workspace, level)
    yield from _where_they_hold(layers, written)
    for group, node in chosen:
        if group == "base_model" and node is not None:
            yield from _unnamed_model(node, workspace)


def _of_the_first(known: Node, written: Node, workspace: Workspace) -> Iterator[Node]:
    """What defaults and its method's preset say of a training is said of the first one too."""
    after = written.get("training.after")
    if after is None or not isinstance(after.value, dict):
        return
    method = _named(written, "training.after.method") or Node("sft", after.span, after.key)
    yield leaf("training.after.method", method)
    layers = [layer["defaults"] for layer in workspace.presets("") if "defaults" in layer]
    layers += [layer[method.value] for layer in workspace.presets("method") if method.value in layer]
    for layer in _where_they_hold([_mapping(preset) for preset in layers], known, method.value):
        training = layer.get("training")
        own = training.value if training and isinstance(training.value, dict) else {}
        recipe = {name: node for name, node in own.items() if name in After.model_fields and name != "method"}
        yield leaf("training.after", Node(recipe, layer.span, layer.key))


def _named(known: Node, key: str) -> Node | None:
    node = known.get(key)
    return node if node is not None and isinstance(node.value, str) else None


def _layer(group: str, name: str, workspace: Workspace, level: int) -> Iterator[Node]:
    layers = workspace.presets(group)
    named = name
    if group == "base_model" and not any(name in layer for layer in layers):
        named = preset_of(name, workspace) or name
    preset: Preset | None = layers[level].get(named) if level < len(layers) else None
    if preset is not None:
        yield _mapping(preset)


def preset_of(model: str, workspace: Workspace) -> str | None:
    """The preset that describes a Hub id, so that who names the id gets its pinned commit and its facts."""
    hub = HUB_ID.fullmatch(model)
    if not hub:
        return None
    line = re.compile(rf"^  repo: {re.escape(hub['repo'])}$", re.MULTILINE | re.IGNORECASE)
    found = (name for layer in workspace.presets("base_model") for name, p in layer.items() if line.search(p.text))
    return next(found, None)


def pinned_by(model: str, workspace: Workspace) -> str | None:
    """Of a Hub id that names no commit, which preset's it gets, in words; None for any other base model."""
    hub = HUB_ID.fullmatch(model)
    preset = preset_of(model, workspace) if hub and not hub["revision"] else None
    if preset is None:
        return None
    layer = next(layer for layer in reversed(workspace.presets("base_model")) if preset in layer)
    revision = _mapping(layer[preset]).get("base_model.revision")
    commit = f", at its commit {str(revision.value)[:12]}" if revision else ""
    return f"`{model}` names no commit, so it is the preset `{preset}` of conf/base_model/{commit}"


def _where_they_hold(layers: list[Node], written: Node, method: str | None = None) -> Iterator[Node]:
    """The layers without `when`, each with what it says there of the method and the adapter that were chosen."""
    known = reduce(overlay, [*layers, written])
    chosen = [str(node.value) for key in ("training.method", "training.adapter") if (node := _named(known, key))]
    chosen = [method, *chosen[1:]] if method else chosen
    for layer in layers:
        yield Node({key: node for key, node in layer.value.items() if key != "when"}, layer.span, layer.key)
        when = layer.get("when")
        for name, node in _conditions(when).items() if when else ():
            yield from [node] if name in chosen else []


def _conditions(when: Node) -> dict[str, Node]:
    possible = [*methods(), *adapters()]
    found = when.value if isinstance(when.value, dict) else {}
    if not found or not all(isinstance(node.value, dict) for node in found.values()):
        help = "write it like `when: {full: {training: {learning_rate: 1e-5}}}`"
        raise ParseError([Diagnostic("T013", "`when` maps methods and adapters to keys", when.key, help=help)])
    for name in found.keys() - set(possible):
        help = did_you_mean(name, possible) or "remove it"
        note = _listed("methods and adapters", possible)
        raise ParseError([Diagnostic("T011", f"`{name}` is no method or adapter", found[name].key, (note,), help)])
    return found


@lru_cache(maxsize=64)
def _mapping(preset: Preset) -> Node:
    node = parse_value(preset.text, preset.file)
    if not isinstance(node.value, dict):
        found = Diagnostic("T013", "a preset is a mapping of keys to values", node.span, help="write it like task.yaml")
        raise ParseError([found])
    return node


def _missing(group: str, node: Node, workspace: Workspace) -> Iterator[Diagnostic]:
    known = sorted({name for layer in workspace.presets(group) for name in layer})
    if group == "method":
        known = [name for name in known if name in methods()]
    name = str(node.value)
    if name in known:
        return
    if group == "method":
        help = did_you_mean(name, known) or "choose one of these"
        yield Diagnostic("T023", f"unknown method `{name}`", node.span, (_listed("methods", known),), help)
        return
    if group == "task_type":
        help = did_you_mean(name, known) or "choose one of these, or write conf/task_type/NAME.yaml"
        yield Diagnostic("T020", f"unknown task type `{name}`", node.span, (_listed("task types", known),), help)
        return
    if group == "execution":
        help = did_you_mean(name, known) or "choose one of these, or write conf/execution/NAME.yaml"
        yield Diagnostic("T550", f"unknown execution `{name}`", node.span, (_listed("executions", known),), help)
        return
    if group == "quantization":
        help = (
            did_you_mean(name, [*known, *QUANTIZATIONS]) or "choose one of these, or write conf/quantization/NAME.yaml"
        )
        yield Diagnostic("T770", f"unknown quantization `{name}`", node.span, (_listed("presets", known),), help)
        return
    if name.startswith("provider:"):
        help = "write the rows in its format with `tunec export-data openai|bedrock|vertex|together`, and train there"
        note = "tunec trains open weights, so that what is measured is what is shipped"
        yield Diagnostic("T676", f"`{name}` is trained by its provider, not here", node.span, (note,), help)
        return
    hub = HUB_ID.fullmatch(name)
    if name.endswith(".gguf") or workspace.glob(f"{name.rstrip('/')}/config.json") or (hub and hub["revision"]):
        return
    if preset_of(name, workspace):
        return
    if hub:
        help = f"pin a commit of it: {name}@<40 hexadecimal digits>"
        note = "a branch or tag can move, and then the same task.yaml would build another model"
        yield Diagnostic("T022", f"`{name}` names no revision", node.span, (note,), help)
        return
    help = did_you_mean(name, known) or "name a preset, HUB/ID@COMMIT, a .gguf file or a transformers folder"
    yield Diagnostic("T021", f"unknown base model `{name}`", node.span, (_listed("presets", known),), help)


def _unnamed_model(node: Node, workspace: Workspace) -> Iterator[Node]:
    """The base_model section for a model that is named by its place instead of by a preset."""
    name = str(node.value)
    if any(name in layer for layer in workspace.presets("base_model")):
        return
    hub = HUB_ID.fullmatch(name)
    if name.endswith(".gguf"):
        files = {"source": "gguf", "path": name}
    elif hub and not hub["revision"] and preset_of(name, workspace):
        return
    elif hub and hub["revision"]:
        files = {"source": "hub", "repo": hub["repo"], "revision": hub["revision"]}
    else:
        files = {"source": "folder", "path": name.rstrip("/")}
    section = {key: Node(value, node.span, node.key) for key, value in files.items()}
    if weights := workspace.weights(files["path"]) if "path" in files else None:
        section["parameters"] = Node(weights, node.span, node.key)
    yield Node({"base_model": Node(section, node.span, node.key)}, node.span)


def _listed(what: str, known: list[str]) -> str:
    return f"{what}: {', '.join(known)}"
