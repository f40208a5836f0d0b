"""Cross-field checks: one function a code, its docstring the code's explanation. Each yields what it finds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from compiler.parse import Node
from compiler.resolve import HUB_ID, did_you_mean
from compiler.schema import expand, references
from compiler.task import Task
from compiler.workspace import Workspace
from stages.base import QUANTIZATIONS, Baseline, Diagnostic, Gate, Metric, Span, members

Check = Callable[[Task, Node, Workspace], Iterator[Diagnostic]]
PLACEHOLDER = re.compile(r"\{\{|\{%|\{[A-Za-z_]\w*\}")
_OUTSIDE = re.compile(r"^[/~]|^[A-Za-z]:|\\|(^|/)\.\.(/|$)")
_UNPRINTED = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]|\$\{")
_DEVICE = re.compile(r"(^|/)(con|prn|aux|nul|com\d|lpt\d)(\.[^/]*)?$", re.IGNORECASE)
_PACKAGE = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_LONGEST = 200  # characters of a path
_CHOOSE = "choose one of these"
_SAMPLES: tuple[Any, ...] = (None, True, 0, "", [], {})


def metric_is_known(task: Task, tree: Node, workspace: Workspace) -> Iterator[Diagnostic]:
    """T010: A metric that tunec does not have, or that says nothing about this contract."""
    known = members("stages.metrics", "METRIC", Metric)
    fitting = [name for name, metric in known.items() if task.output_format.type in metric.fits]
    note = f"metrics of {task.task_type} with a {task.output_format.type} contract: {', '.join(fitting)}"
    for path, name in _metrics(task):
        if name not in known:
            help = did_you_mean(name, fitting) or _CHOOSE
            yield Diagnostic("T010", f"unknown metric `{name}`", _span(tree, path), (note,), help)
        elif name not in fitting:
            message = f"the metric `{name}` does not fit a {task.output_format.type} contract"
            yield Diagnostic("T010", message, _span(tree, path), (note,), _CHOOSE)


def source_exists(task: Task, tree: Node, workspace: Workspace) -> Iterator[Diagnostic]:
    """T101: A data source that matches no file."""
    for index, source in enumerate(task.data.sources):
        if not _unsafe(source.path, workspace) and not workspace.glob(source.path):
            what = "matches no file" if "*" in source.path else "is not there"
            near = did_you_mean(source.path, workspace.glob("data/raw/*"))
            help = near or "put the file there, or correct the path; it counts from the folder of task.yaml"
            yield Diagnostic("T101", f"the data file `{source.path}` {what}", _source_span(tree, index), help=help)


def path_stays_inside(task: Task, tree: Node, workspace: Workspace) -> Iterator[Diagnostic]:
    """T102: A path that is absolute, climbs or is linked out of the workspace, or is no plain file name."""
    paths = [(source.path, _source_span(tree, i)) for i, source in enumerate(task.data.sources)]
    if task.base_model.path:
        paths.append((task.base_model.path, _span(tree, "base_model.path")))
    for path, span in paths:
        if reason := _unsafe(path, workspace):
            note = "a task reads only what lies in its own folder, so that it builds the same anywhere"
            help = "copy the file into the workspace under a plain name, and name it relative to task.yaml"
            yield Diagnostic("T102", reason, span, (note,), help)


def package_file_stays_inside(task: Task, tree: Node, workspace: Workspace) -> Iterator[Diagnostic]:
    """T102: A file of an installed package whose path leads out of the package, or is no plain file name."""
    file = task.base_model.file
    why = (_odd(file) or ("leads out of the package" if _OUTSIDE.search(file) else None)) if file else None
    if file and why:
        help = "name a GGUF file of the package, relative to the package's folder"
        yield Diagnostic("T102", f"the path {_shown(file)} {why}", _span(tree, "base_model.file"), help=help)


def model_has_a_plain_name(task: Task, tree: Node, workspace: Workspace) -> Iterator[Diagnostic]:
    """T016: A package that is no import name of one word, or a repo that is no Hub id."""
    package, repo = task.base_model.package, task.base_model.repo
    if package is not None and not _PACKAGE.fullmatch(package):
        help = "write the import name of an installed package: letters, digits and _, without dots"
        yield Diagnostic("T016", f"{_shown(package)} is no package", _span(tree, "base_model.package"), help=help)
    hub = HUB_ID.fullmatch(repo) if repo is not None else None
    if repo is not None and not (hub and hub["repo"] == repo and repo.isascii()):
        help = "write it like HuggingFaceTB/SmolLM2-135M-Instruct; the commit stands in `revision:`"
        yield Diagnostic("T016", f"{_shown(repo)} is no Hub id", _span(tree, "base_model.repo"), help=help)


def template_reads_the_row(task: Task, tree: Node, workspace: Workspace) -> Iterator[Diagnostic]:
    """T104: An input template without a placeholder: every row would look the same."""
    if not PLACEHOLDER.search(task.input_template):
        help = "name the columns that go in, such as {text}"
        yield Diagnostic("T104", "`input_template` has no placeholder", _span(tree, "input_template"), help=help)


def template_is_tame(task: Task, tree: Node, workspace: Workspace) -> Iterator[Diagnostic]:
    """T108: A Jinja template that goes beyond the part of Jinja whose cost is bounded by the row."""
    if "{{" not in task.input_template and "{%" not in task.input_template:
        return
    from stages.templating import FILTERS, check

    _, refused = check(task.input_template)
    if refused:
        note = f"allowed: values, conditions, loops one deep, and the filters {', '.join(sorted(FILTERS))}"
        help = "use {field} placeholders, or move the computation into the data"
        yield Diagnostic("T108", f"`input_template`: {refused}", _span(tree, "input_template"), (note,), help)


def schema_is_sound(task: Task, tree: Node, workspace: Workspace) -> Iterator[Diagnostic]:
    """T110: A schema that is missing where the contract needs one, is no JSON Schema, or refers outside itself."""
    span, schema = _span(tree, "output_format.schema"), expand(task.output_format.schema_)
    kind = task.output_format.type
    if kind == "text":
        if schema is not None:
            yield Diagnostic("T110", "a text contract has no schema", span, help="remove it, or set `type: json`")
        return
    if schema is None:
        help = "write {field: {type: string}} under `schema:`" if kind == "json" else "write `schema: {enum: [a, b]}`"
        yield Diagnostic("T110", f"a {kind} contract needs a schema", _span(tree, "output_format"), help=help)
        return
    outside = sorted({reference for reference in references(schema) if not reference.startswith("#")})
    for reference in outside:
        help = "copy the definition into `$defs`"
        yield Diagnostic("T110", f"the schema refers to {reference!a}, outside itself", span, help=help)
    yield from _metaschema(schema, span) or (() if outside else _endless(schema, span))
    labels = schema.get("enum")
    if kind == "label" and not (isinstance(labels, list) and labels and all(isinstance(x, str) for x in labels)):
        help = "write the labels as `schema: {enum: [billing, refund]}`; quote those that look like numbers"
        yield Diagnostic("T110", "a label contract needs `enum`, a list of texts", span, help=help)
    elif kind == "label" and any(not x or x != x.strip() for x in labels or ()):
        help = "an answer's outer blanks are dropped, so no answer could be this label"
        yield Diagnostic("T110", "a label is empty, or begins or ends with blanks", span, help=help)


def threshold_in_range(task: Task, tree: Node, workspace: Workspace) -> Iterator[Diagnostic]:
    """T122: A threshold that no model can miss, or that none can reach."""
    metrics, criteria = members("stages.metrics", "METRIC", Metric), task.success_criteria
    primary = metrics.get(criteria.primary_metric)
    bounds = [("success_criteria.threshold", f"the threshold {criteria.threshold:g}", criteria.threshold, primary)]
    for name, bound in criteria.gates.items():
        if not isinstance(bound, bool):
            path, what = f"success_criteria.gates.{name}", f"the bound {bound:g} of the gate `{name}`"
            bounds.append((path, what, bound, metrics.get(name)))
    for path, what, bound, metric in bounds:
        if metric and not metric.low <= bound <= metric.high:
            note = f"`{metric.name}` lies between {metric.low:g} and {metric.high:g}"
            help = f"write {bound / 100:g}" if 1 < bound <= 100 else "choose a value in that range"
            yield Diagnostic("T122", f"{what} is out of range", _span(tree, path), (note,), help)
    lead = criteria.gates.get("beats_baselines", False)
    if primary and not isinstance(lead, bool) and not abs(lead) <= primary.high - primary.low:
        note = (
            f"a lead in `{primary.name}` lies between {primary.low - primary.high:g} and {primary.high - primary.low:g}"
        )
        span = _span(tree, "success_criteria.gates.beats_baselines")
        yield Diagnostic("T122", f"the lead {lead:g} is out of range", span, (note,), "write 0 or a little more")


def gate_is_known(task: Task, tree: Node, workspace: Workspace) -> Iterator[Diagnostic]:
    """T123: A gate that tunec does not have, `true` where a bound is needed, or a gate on what a contract has not."""
    known = sorted(set(members("stages.gates", "GATE", Gate)) - {"threshold"})
    metrics = members("stages.metrics", "METRIC", Metric)
    for name, bound in task.success_criteria.gates.items():
        span = _span(tree, f"success_criteria.gates.{name}", key=True)
        if name not in known:
            note = f"gates: {', '.join(known)}"
            yield Diagnostic("T123", f"unknown gate `{name}`", span, (note,), did_you_mean(name, known) or "remove it")
        elif bound is True:
            yield Diagnostic(
                "T123", f"the gate `{name}` needs a bound", span, help=f"write a number, or `{name}: false`"
            )
        elif bound is not False and name in metrics and task.output_format.type not in metrics[name].fits:
            message = f"the gate `{name}` does not fit a {task.output_format.type} contract"
            yield Diagnostic("T123", message, span, help=f"write `{name}: false` under success_criteria.gates")


def baseline_is_known(task: Task, tree: Node, workspace: Workspace) -> Iterator[Diagnostic]:
    """T124: A baseline that tunec does not have, or options that it does not take."""
    known = members("stages.baselines", "BASELINE", Baseline)
    schema = expand(task.output_format.schema_) or {}
    fields = tuple(map(str, schema.get("enum" if task.output_format.type == "label" else "properties") or ()))
    for name, options in task.baselines.items():
        span = _span(tree, f"baselines.{name}", key=True)
        if name not in known:
            note = f"baselines: {', '.join(known)}"
            help = did_you_mean(name, list(known)) or "remove it"
            yield Diagnostic("T124", f"unknown baseline `{name}`", span, (note,), help)
        elif options is not False and (refused := known[name].allowed(options, fields)):
            yield Diagnostic("T124", f"baseline `{name}`: {refused}", span, help="see docs/task-yaml.md, baselines")


def quantization_is_known(task: Task, tree: Node, workspace: Workspace) -> Iterator[Diagnostic]:
    """T125: A quantization that llama.cpp does not offer, or one that is named twice."""
    node = tree.get("quantization.formats")
    for index, name in enumerate(task.quantization.formats):
        span = node.value[index].span if node else None
        if name not in QUANTIZATIONS:
            note = f"quantizations: {', '.join(QUANTIZATIONS)}; f16 is always built"
            help = did_you_mean(name, list(QUANTIZATIONS)) or _CHOOSE
            yield Diagnostic("T125", f"unknown quantization `{name}`", span, (note,), help)
        elif name in task.quantization.formats[:index]:
            yield Diagnostic("T125", f"the quantization `{name}` stands twice", span, help="keep one of them")


def shares_leave_training_rows(task: Task, tree: Node, workspace: Workspace) -> Iterator[Diagnostic]:
    """T129: Shares of dev and test that leave nothing to train on."""
    if task.splits.dev + task.splits.test >= 1:
        message = f"dev ({task.splits.dev:g}) and test ({task.splits.test:g}) leave no rows to train on"
        yield Diagnostic(
            "T129", message, _span(tree, "splits"), help="let them sum to less than 1, such as 0.1 and 0.1"
        )


def model_files_are_named(task: Task, tree: Node, workspace: Workspace) -> Iterator[Diagnostic]:
    """T130: A base model whose source lacks what it needs, or whose files are not there."""
    needs = {"package": ("package", "file"), "gguf": ("path",), "folder": ("path",), "hub": ("repo", "revision")}
    model = task.base_model
    for name in needs[model.source]:
        if getattr(model, name) is None:
            help = f"add `{name}:` to base_model"
            yield Diagnostic(
                "T130", f"a {model.source} base model needs `{name}`", _span(tree, "base_model"), help=help
            )
    if model.source in ("gguf", "folder") and model.path and not _unsafe(model.path, workspace):
        path = model.path if model.source == "gguf" else f"{model.path}/config.json"
        if not workspace.glob(path):
            help = "put the model there, or name another one in training.base_model"
            yield Diagnostic(
                "T130", f"the base model `{model.path}` is not there", _span(tree, "base_model.path"), help=help
            )


CHECKS: tuple[Check, ...] = (
    metric_is_known,
    source_exists,
    path_stays_inside,
    package_file_stays_inside,
    model_has_a_plain_name,
    template_reads_the_row,
    template_is_tame,
    schema_is_sound,
    threshold_in_range,
    gate_is_known,
    baseline_is_known,
    quantization_is_known,
    shares_leave_training_rows,
    model_files_are_named,
)


def _unsafe(path: str, workspace: Workspace) -> str | None:
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
    if _UNPRINTED.search(path):
        return "holds control or direction characters, or an interpolation"
    if _DEVICE.search(path):
        return "is the name of a device on some systems"
    return None


def _shown(path: str) -> str:
    return ascii(path if len(path) <= 80 else f"{path[:77]}...")


def _metrics(task: Task) -> Iterator[tuple[str, str]]:
    yield "success_criteria.primary_metric", task.success_criteria.primary_metric
    for index, name in enumerate(task.evaluation.metrics):
        yield f"evaluation.metrics.{index}", name
    if task.training.reward is not None:
        yield "training.reward", task.training.reward


def _metaschema(schema: dict[str, Any], span: Span | None) -> list[Diagnostic]:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        at = "/".join(map(str, error.absolute_path)) or "the schema"
        message = f"this is no JSON Schema: {at}: {error.message[:200]}"
        return [Diagnostic("T110", message, span, help="see json-schema.org")]
    return []


def _endless(schema: dict[str, Any], span: Span | None) -> Iterator[Diagnostic]:
    """References that lead nowhere or back to themselves: a value of every kind is held against each of them."""
    from jsonschema import Draft202012Validator
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    for reference in sorted(set(references(schema))):
        validator = Draft202012Validator({**schema, "$ref": reference}, registry=Registry())
        try:
            for value in _SAMPLES:
                validator.is_valid(value)
        except Unresolvable:
            message = f"the schema refers to {reference!a}, which it lacks"
            yield Diagnostic("T110", message, span, help="define it in `$defs`")
        except RecursionError:
            message = f"{reference!a} refers to itself without end"
            yield Diagnostic("T110", message, span, help="let it describe a value")


def _source_span(tree: Node, index: int) -> Span | None:
    return _span(tree, f"data.sources.{index}.path")


def _span(tree: Node, path: str, *, key: bool = False) -> Span | None:
    """Where a value stands (or its key), or the nearest of its parents."""
    node = tree
    for part in path.split("."):
        inner = node.value[int(part)] if isinstance(node.value, list) else node.value.get(part)
        if inner is None:
            break
        node = inner
    return node.key if key and node.key else node.span
