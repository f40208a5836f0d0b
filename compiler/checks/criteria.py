"""What success means: metrics, thresholds, gates, baselines, quantizations."""

from __future__ import annotations

from collections.abc import Iterator

from compiler.checks._check import CHOOSE, Found, Look, check
from compiler.lookalikes import no_truth, truth
from compiler.parse import Node, parse
from compiler.resolve import did_you_mean
from compiler.schema import lowered
from compiler.sources import REPAIR_TAG
from stages.catalog import QUANTIZATIONS, Baseline, Gate, Metric, members
from stages.schemas import kinds
from stages.shapes import APART
from stages.templating import placeholders

BY_SOURCE = "give each of data.sources its `tags`, and write `tags` here"


@check("T010")
def metric_is_known(look: Look) -> Iterator[Found]:
    """A metric that tunec does not have, or that says nothing about this contract.

    Choose one of those that the note lists.
    """
    known, kind = members("stages.metrics", "METRIC", Metric), look.task.output_format.type
    brought: list[tuple[str, str]] = []  # by the task type: of one wrong type, one complaint
    for path, name in _named(look):
        own = name.startswith("python:") and path != "training.reward"  # T703 looks at those
        if own or (name in known and _fits(known[name], look)):
            continue
        if name in known and _of_the_task_type(look, path):
            brought.append((path, name))
            continue
        fitting = [name for name, metric in known.items() if _fits(metric, look)]
        note = f"metrics of {look.task.task_type} with a {kind} contract: {', '.join(fitting)}"
        if name not in known:
            yield Found(f"unknown metric `{name}`", path, did_you_mean(name, fitting) or CHOOSE, note)
        else:
            yield Found(f"the metric `{name}` does not fit a {kind} contract", path, CHOOSE, note)
    if brought:
        yield _wrong_task_type(look, brought)


def _of_the_task_type(look: Look, path: str) -> bool:
    span = look.span(path)
    return span is not None and span.file.startswith("conf/task_type/")


def _wrong_task_type(look: Look, brought: list[tuple[str, str]]) -> Found:
    """brought: (path, metric) of a preset that do not fit the contract."""
    kind, names = look.task.output_format.type, ", ".join(name for _, name in brought)
    message = f"the metrics of {look.task.task_type} do not fit a {kind} contract: {names}"
    fitting = ", ".join(_task_types_that_fit(look))
    note = f"task types whose metrics fit a {kind} contract: {fitting or 'none'}"
    return Found(message, brought[0][0], "choose one of these, or correct `output_format.type`", note)


def _task_types_that_fit(look: Look) -> list[str]:
    """Those whose metrics all do."""
    presets = {name: preset for layer in look.workspace.presets("task_type") for name, preset in layer.items()}
    brought = {name: _brought(parse(preset.text, preset.file)) for name, preset in presets.items()}
    known = members("stages.metrics", "METRIC", Metric)
    fitting = {name for name, metric in known.items() if _fits(metric, look)}
    return sorted(name for name, metrics in brought.items() if metrics and metrics <= fitting)


def _brought(preset: Node) -> set[str]:
    """The metrics that a task type's preset names."""
    named = [preset.get("success_criteria.primary_metric"), preset.get("evaluation.metrics")]
    plain = [node.plain() for node in named if node is not None]
    return {str(name) for one in plain for name in (one if isinstance(one, list) else [one])}


@check("T120", "warning")
def metric_is_named_once(look: Look) -> Iterator[Found]:
    """A metric that is named twice: the primary metric is measured anyway.

    Remove it from `evaluation.metrics`.
    """
    seen: set[str] = set()
    for path, name in _metrics(look):
        if name in seen and look.written(path):
            yield Found(f"`{name}` is measured already", path, "remove it")
        seen.add(name)


@check("T122")
def threshold_in_range(look: Look) -> Iterator[Found]:
    """A threshold that no model can miss, or that none can reach.

    Metrics lie between 0 and 1: write 0.8, not 80.
    """
    metrics, criteria = members("stages.metrics", "METRIC", Metric), look.task.success_criteria
    primary = metrics.get(criteria.primary_metric)
    bounds = [("success_criteria.threshold", f"the threshold {criteria.threshold:g}", criteria.threshold, primary)]
    for name, bound in criteria.gates.items():
        if not isinstance(bound, bool):
            what = f"the bound {bound:g} of the gate `{name}`"
            metric = primary if name in APART else metrics.get(name)
            bounds.append((f"success_criteria.gates.{name}", what, bound, metric))
    for path, what, bound, metric in bounds:
        if metric and not metric.low <= bound <= metric.high:
            note = f"`{metric.name}` lies between {metric.low:g} and {metric.high:g}"
            help = f"write {bound / 100:g}" if 1 < bound <= 100 else "choose a value in that range"
            yield Found(f"{what} is out of range", path, help, note)
    lead = criteria.gates.get("beats_baselines", False)
    if primary and not isinstance(lead, bool) and not abs(lead) <= primary.high - primary.low:
        widest = primary.high - primary.low
        note = f"a lead in `{primary.name}` lies between {-widest:g} and {widest:g}"
        at = "success_criteria.gates.beats_baselines"
        yield Found(f"the lead {lead:g} is out of range", at, "write 0 or a little more", note)


@check("T123")
def gate_is_known(look: Look) -> Iterator[Found]:
    """A gate that tunec does not have, without a bound, or on what the contract lacks. A preset's own is left out.

    Choose one that the note lists, with a number; `NAME: false` switches it off.
    """
    metrics, kind = members("stages.metrics", "METRIC", Metric), look.task.output_format.type
    gates, brought = members("stages.gates", "GATE", Gate), {name for _, name in _metrics(look)}
    for name, bound in look.task.success_criteria.gates.items():
        at = f"success_criteria.gates.{name}"
        fits = name in metrics and _fits(metrics[name], look)
        if name in metrics and not fits:
            if bound is False or not look.written(at):  # what a preset gates beyond the contract is left out
                continue
            help = f"write `{name}: false` under success_criteria.gates"
            yield Found(f"the gate `{name}` does not fit a {kind} contract", at, help, key=True)
        elif not fits and (name not in gates or name == "threshold") and name not in brought:
            fitting = {name for name, metric in metrics.items() if _fits(metric, look)}
            own = {name for name in brought if name.startswith("python:")}
            known = sorted(fitting | own | set(gates) - {"threshold"})
            note = f"gates: {', '.join(known)}"
            yield Found(f"unknown gate `{name}`", at, did_you_mean(name, known) or "remove it", note, key=True)
        elif bound is True:
            yield Found(f"the gate `{name}` needs a bound", at, f"write a number, or `{name}: false`", key=True)


@check("T147")
def gate_is_measured(look: Look) -> Iterator[Found]:
    """A gate on a metric that is not measured. What a preset gates is measured anyway.

    Add the metric to `evaluation.metrics`.
    """
    by_itself = {"schema_validity", "free_validity", "preference"}  # T820 asks for the judge of the last
    measured = {name for _, name in _metrics(look)} | by_itself
    for name, bound in look.task.success_criteria.gates.items():
        at = f"success_criteria.gates.{name}"
        known = name in members("stages.metrics", "METRIC", Metric)
        if bound is not False and known and name not in measured and look.written(at):
            yield Found(f"`{name}` is not measured", at, f"add `{name}` to evaluation.metrics", key=True)


@check("T126")
def gate_has_a_split(look: Look) -> Iterator[Found]:
    """A gate on a split that does not exist: no source has that role, and no row names it in a column `split`.

    Add a source with `role: golden` (or adversarial), or remove the gate.
    """
    roles: set[str | None] = {source.role for source in look.task.data.sources}
    roles |= {split for _, _, _, peek in look.peeks for split in peek.splits}
    for name in APART:
        bound = look.task.success_criteria.gates.get(name, False)
        if bound is not False and name not in roles:
            help = f"add a source with `role: {name}`, or write `{name}: false`"
            yield Found(f"there are no {name} rows to judge by", f"success_criteria.gates.{name}", help, key=True)


@check("T124")
def baseline_is_known(look: Look) -> Iterator[Found]:
    """A baseline that tunec does not have.

    docs/task-yaml.md, baselines, lists those that it has; a rule of your own is `rule: "python:rules.py:find"`.
    """
    known = members("stages.baselines", "BASELINE", Baseline)
    for name in look.task.baselines:
        if name not in known:
            note = f"baselines: {', '.join(known)}"
            help = did_you_mean(name, list(known)) or "remove it"
            yield Found(f"unknown baseline `{name}`", f"baselines.{name}", help, note, key=True)


@check("T165")
def baseline_takes_its_options(look: Look) -> Iterator[Found]:
    """A baseline is given options that it does not take, or not those that it needs.

    `true` runs a baseline as it is, `false` leaves it out, and a mapping holds its options: docs/evaluation.md,
    Baselines, lists them.
    """
    known = members("stages.baselines", "BASELINE", Baseline)
    for name, options in look.task.baselines.items():
        if name not in known or options is False or _meant_as_a_switch(options):
            continue
        if refused := known[name].allowed(options, look.fields):
            help = "docs/evaluation.md, Baselines, says what each takes"
            yield Found(f"baseline `{name}`: {refused}", f"baselines.{name}", help, key=True)


@check("T018")
def baseline_is_switched(look: Look) -> Iterator[Found]:
    """`yes`, `no`, `on` or `off`, or a quoted `true`, where true or false is expected.

    YAML 1.1 read these words as true and false; YAML 1.2 reads them as texts. Write `true` or `false`, without quotes.
    """
    for name, options in look.task.baselines.items():
        if isinstance(options, str) and (said := no_truth(name, options)):
            yield Found(said[0], f"baselines.{name}", said[2], said[1])


def _meant_as_a_switch(options: object) -> bool:
    return isinstance(options, str) and truth(options) is not None


@check("T127")
def named_baseline_runs(look: Look) -> Iterator[Found]:
    """`success_criteria.baseline` names a baseline that does not run.

    Switch it on under `baselines`, or name one that runs.
    """
    named, runs = look.task.success_criteria.baseline, _running(look)
    if named and named not in runs:
        help = did_you_mean(named, runs) or _switched_on(look, named)
        note = f"baselines that run: {', '.join(runs) or 'none'}"
        yield Found(f"the baseline `{named}` does not run", "success_criteria.baseline", help, note)


def _switched_on(look: Look, name: str) -> str:
    known = members("stages.baselines", "BASELINE", Baseline).get(name)
    lacking = known and known.allowed(True, look.fields)
    return f"name it under baselines: {lacking}" if lacking else f"write `{name}: true` under baselines"


@check("T128")
def something_is_there_to_beat(look: Look) -> Iterator[Found]:
    """The gate beats_baselines where no baseline runs: nothing could pass it.

    Switch one on, such as `majority: true`, or write `beats_baselines: false`.
    """
    bound = look.task.success_criteria.gates.get("beats_baselines", False)
    if bound is not False and not _running(look):
        help = "switch one on, such as `majority: true`, or write `gates: {beats_baselines: false}`"
        yield Found("there is no baseline to beat", "baselines", help)


@check("T125")
def quantization_is_known(look: Look) -> Iterator[Found]:
    """A quantization that llama.cpp does not offer, or one that is named twice.

    Choose one that the note lists; f16 is always built.
    """
    formats = look.task.quantization.formats
    for index, name in enumerate(formats):
        at = f"quantization.formats.{index}"
        if name not in QUANTIZATIONS:
            note = f"quantizations: {', '.join(QUANTIZATIONS)}; f16 is always built"
            help = "remove it" if name.lower() == "f16" else did_you_mean(name, list(QUANTIZATIONS)) or CHOOSE
            yield Found(f"unknown quantization `{name}`", at, help, note)
        elif name in formats[:index]:
            yield Found(f"the quantization `{name}` stands twice", at, "keep one of them")


@check("T157", "warning")
def drop_has_a_quantization(look: Look) -> Iterator[Found]:
    """`quantization.max_drop` where nothing is quantized: there is no drop.

    Name a format, or remove the key.
    """
    if not look.task.quantization.formats and look.written("quantization.max_drop"):
        yield Found("nothing is quantized, so nothing drops", "quantization.max_drop", "remove it", key=True)


@check("T121")
def slice_is_there(look: Look) -> Iterator[Found]:
    """`evaluation.slices` names no column that goes in.

    A slice is a column of `input_template`, `tags`, `length`, `script` or `language`.
    """
    columns = sorted(placeholders(look.task.input_template))
    known = list(dict.fromkeys([*columns, "tags", "length", "script", "language"]))
    for index, name in enumerate(look.task.evaluation.slices):
        if name not in known:
            help = BY_SOURCE if name in ("source", "sources") else did_you_mean(name, known) or CHOOSE
            note = f"slices: {', '.join(known)}"
            yield Found(f"no row has `{name}`", f"evaluation.slices.{index}", help, note)


@check("T173", "warning")
def tags_are_used(look: Look) -> Iterator[Found]:
    """Tags that nothing reports by, or `slices: [tags]` without any.

    Add `tags` to `evaluation.slices`, or give a source its tags.
    """
    sources = enumerate(look.task.data.sources)
    tagged = [index for index, source in sources if not all(map(REPAIR_TAG.fullmatch, source.tags))]
    sliced = "tags" in look.task.evaluation.slices
    counted = any(quota.by == "tag" for quota in look.task.data.quotas)
    if tagged and not sliced and not counted:
        at = f"data.sources.{tagged[0]}.tags"
        yield Found("nothing is reported by these tags", at, "write `evaluation: {slices: [tags]}`", key=True)
    if sliced and not look.task.data.tags and not any(source.tags for source in look.task.data.sources):
        help = "give a source `tags: [WORD]`, or remove it"
        yield Found("no source has tags", f"evaluation.slices.{look.task.evaluation.slices.index('tags')}", help)


def _fits(metric: Metric, look: Look) -> bool:
    """Whether a metric says something of this contract; one of labels also of JSON that holds a label."""
    return bool(kinds(lowered(look.task.output_format.type), look.schema) & set(metric.fits))


def _running(look: Look) -> list[str]:
    return sorted(name for name, options in look.task.baselines.items() if options is not False)


def _metrics(look: Look) -> Iterator[tuple[str, str]]:
    yield "success_criteria.primary_metric", look.task.success_criteria.primary_metric
    for index, name in enumerate(look.task.evaluation.metrics):
        yield f"evaluation.metrics.{index}", name


def _named(look: Look) -> Iterator[tuple[str, str]]:
    """Every place that names a metric: those that are measured, and what rates a model's own answers in training."""
    yield from _metrics(look)
    if look.task.training.reward is not None:
        yield "training.reward", look.task.training.reward
