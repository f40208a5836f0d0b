"""How models are asked and judged: own metrics, label scoring, terms, baselines that fit, importance matrices."""

from __future__ import annotations

from collections.abc import Iterator

from compiler.brought import named_files
from compiler.checks._check import Found, Look, check
from compiler.judged import NEEDS, has_its_terms
from compiler.own_function import flaw as flaw_of
from compiler.resolve import did_you_mean
from compiler.schema import lowered
from compiler.workspace import NoText
from stages.catalog import NEED_IMATRIX, Baseline, Metric, members
from stages.diagnostics import Span
from stages.own import MEND, METRIC_TAKES, RULE_TAKES, split
from stages.patterns import flaw

PAIRED = ("pair_accuracy", "reward_margin")
ATTACKED = ("attack_validity", "attack_stability", "attack_success")
TIMED = ("latency_p50", "latency_p95")


@check("T703")
def own_function_is_there(look: Look) -> Iterator[Found]:
    """A `python:` reference that cannot be followed: it is not written so, its file is not in the workspace or no
    Python, or the function is not in it or takes other arguments.

    Write it as `python:FILE.py:FUNCTION`, with the path from the folder of task.yaml. A metric is called with the right
    answer, the answer and the row's input; a rule with the row's input. The file is read here, and not run.
    """
    metrics = [
        ("success_criteria.primary_metric", look.task.success_criteria.primary_metric),
        *((f"evaluation.metrics.{place}", name) for place, name in enumerate(look.task.evaluation.metrics)),
    ]
    named = [
        *((path, name, METRIC_TAKES) for path, name in metrics),
        ("baselines.rule", look.task.baselines.get("rule"), RULE_TAKES),
    ]
    for path, name, given in named:
        if isinstance(name, str) and name.startswith("python:"):
            yield from _own_function(look, path, name, given)


def _own_function(look: Look, path: str, name: str, given: tuple[str, ...]) -> Iterator[Found]:
    found = split(name)
    if found is None:
        yield Found(f"`{name}` names no function", path, MEND)
    elif outside(found[0]):
        yield Found(f"`{found[0]}` lies outside the workspace", path, "bring the file below the folder of task.yaml")
    elif not look.workspace.glob(found[0]):
        yield Found(f"there is no `{found[0]}`", path, MEND)
    else:
        try:
            wrong = flaw_of(look.workspace.text(found[0]), found[1], given)
        except NoText as error:
            yield Found(f"`{found[0]}` {error.what}", path, error.help)
            return
        if wrong:
            yield Found(wrong.message, path, wrong.help, there=Span(found[0], wrong.line, wrong.column))


def outside(path: str) -> bool:
    return path.startswith(("/", "~")) or ".." in path.replace("\\", "/").split("/")


@check("T704")
def baseline_fits_the_contract(look: Look) -> Iterator[Found]:
    """A baseline that cannot give such answers: a classifier answers with labels alone.

    Switch it off, or take `nearest`, which answers anything.
    """
    kind, known = lowered(look.task.output_format.type), members("stages.baselines", "BASELINE", Baseline)
    for name, options in look.task.baselines.items():
        if options is not False and name in known and kind not in known[name].fits:
            help = f"write `{name}: false`; `nearest: true` answers anything"
            yield Found(f"the baseline `{name}` cannot answer a {kind} contract", f"baselines.{name}", help, key=True)


@check("T713")
def baseline_files_are_there(look: Look) -> Iterator[Found]:
    """A baseline's options name a file or pattern that matches nothing in the workspace.

    Correct the path; it counts from the folder of task.yaml.
    """
    known = members("stages.baselines", "BASELINE", Baseline)
    for name, options in look.task.baselines.items():
        if name not in known or known[name].allowed(options, look.fields):
            continue
        for pattern in named_files(name, options):
            if not pattern.endswith(".py") and not look.workspace.glob(pattern):
                yield Found(f"nothing matches `{pattern}`", f"baselines.{name}", "correct the path, or bring the files")


@check("T705")
def latency_is_timed(look: Look) -> Iterator[Found]:
    """A gate on latency where serving is not timed.

    Write `evaluation: {latency: true}`; it asks the test split once more.
    """
    for name in TIMED:
        if look.task.success_criteria.gates.get(name, False) is not False and not look.task.evaluation.latency:
            at = f"success_criteria.gates.{name}"
            yield Found("nothing times the answers", at, "write `evaluation: {latency: true}`", key=True)


@check("T827")
def attacks_are_asked(look: Look) -> Iterator[Found]:
    """A gate on hostile inputs where none is asked, or with a bound that is no share.

    Write `evaluation: {attacks: 45}` and a bound from 0 to 1, or remove the gate.
    """
    for name in ATTACKED:
        bound, at = look.task.success_criteria.gates.get(name, False), f"success_criteria.gates.{name}"
        if isinstance(bound, bool):  # T123 asks for a bound
            continue
        if not look.task.evaluation.attacks:
            yield Found("no hostile input is asked", at, "write `evaluation: {attacks: 45}`", key=True)
        if not 0 <= bound <= 1:
            yield Found(f"the bound {bound:g} of the gate `{name}` is no share", at, "write a number from 0 to 1")


@check("T707")
def gate_has_its_terms(look: Look) -> Iterator[Found]:
    """A gate on what `evaluation.terms` does not name: critical fields, or unsafe tools.

    Name them, or remove the gate.
    """
    for name, key in NEEDS.items():
        at = f"success_criteria.gates.{name}"
        bound = look.task.success_criteria.gates.get(name, False)
        if bound is not False and look.written(at) and not has_its_terms(look.task, name):
            yield Found(f"`{name}` has nothing to look at", at, f"name evaluation.terms.{key}", key=True)


@check("T708")
def primary_is_better_when_higher(look: Look) -> Iterator[Found]:
    """A primary metric that is better when lower: models are chosen by the highest.

    Take another, and gate this one: a gate of its name is an upper bound.
    """
    metric = members("stages.metrics", "METRIC", Metric).get(look.task.success_criteria.primary_metric)
    if metric is not None and metric.lower:
        help = f"name another, and write `gates: {{{metric.name}: MOST}}`"
        yield Found(f"`{metric.name}` is better when lower", "success_criteria.primary_metric", help)


@check("T709")
def likelihood_has_labels(look: Look) -> Iterator[Found]:
    """`evaluation.decoding: likelihood` where answers are no labels: there is nothing to choose among.

    Write `auto`, or make the contract one of type label.
    """
    kind = look.task.output_format.type
    if look.task.evaluation.decoding == "likelihood" and kind != "label":
        yield Found(f"a {kind} contract has no labels to score", "evaluation.decoding", "write `decoding: auto`")


@check("T712")
def pairs_are_asked(look: Look) -> Iterator[Found]:
    """A metric of preferences where models are not asked which answer they find likelier.

    Write `evaluation: {pairs: true}`, and bring rows with a rejected answer.
    """
    named = [look.task.success_criteria.primary_metric, *look.task.evaluation.metrics]
    for name in PAIRED:
        if name in named and not look.task.evaluation.pairs:
            path = (
                "success_criteria.primary_metric" if named[0] == name else f"evaluation.metrics.{named.index(name) - 1}"
            )
            yield Found(f"nothing is asked that `{name}` could measure", path, "write `evaluation: {pairs: true}`")


@check("T714")
def terms_are_of_the_contract(look: Look) -> Iterator[Found]:
    """`evaluation.terms` names a field, tool or label that the contract does not have, or a pattern that is none.

    Correct its spelling.
    """
    terms = look.task.evaluation.terms
    if terms is None:
        return
    tools = tuple(look.task.output_format.schema_ or ()) if look.task.output_format.type == "tool_call" else ()
    labels = look.fields if look.task.output_format.type == "label" else ()
    named = [
        *(("critical_fields", f".{place}", name, look.fields) for place, name in enumerate(terms.critical_fields)),
        *(("unsafe_tools", f".{place}", name, tools) for place, name in enumerate(terms.unsafe_tools)),
        *(("harmless_label", "", name, labels) for name in [terms.harmless_label] if name),
        *(("severity", f".{name}", name, labels) for name in terms.severity),
    ]
    for key, place, name, known in named:
        if known and name not in known:
            note = f"there are {', '.join(known[:20])}"
            at = f"evaluation.terms.{key}{place}"
            yield Found(f"the contract has no `{name}`", at, did_you_mean(name, list(known)) or "remove it", note)
    for key in ("must_match", "must_not_match"):
        for index, pattern in enumerate(getattr(terms, key)):
            if wrong := flaw(pattern):
                at = f"evaluation.terms.{key}.{index}"
                yield Found(f"this is no regular expression: {wrong}", at, "correct it, or remove it")


@check("T716")
def format_has_its_matrix(look: Look) -> Iterator[Found]:
    """A quantization that llama.cpp makes only with an importance matrix.

    Write `quantization: {imatrix: 200}`: so many train rows tell which weights matter.
    """
    if look.task.quantization.imatrix:
        return
    for place, name in enumerate(look.task.quantization.formats):
        if name in NEED_IMATRIX:
            help = "write `imatrix: 200` under quantization, or choose q2_k or more"
            yield Found(f"`{name}` needs an importance matrix", f"quantization.formats.{place}", help)


@check("T717", "warning")
def matrix_has_a_quantization(look: Look) -> Iterator[Found]:
    """`quantization.imatrix`, `divergence` or `select` where nothing is quantized.

    Name a format, or remove the key.
    """
    for key in ("imatrix", "divergence", "select"):
        if not look.task.quantization.formats and look.written(f"quantization.{key}"):
            yield Found(f"nothing is quantized, so `{key}` does nothing", f"quantization.{key}", "remove it", key=True)


@check("T820")
def preference_is_asked_for(look: Look) -> Iterator[Found]:
    """The metric `preference` where it cannot be measured: no judge is named, or models would be chosen by it.

    Name a judge in `evaluation.judge`. It is asked of the chosen file's test answers alone: gate it.
    """
    if look.task.success_criteria.primary_metric == "preference":
        help = "name another, and write `gates: {preference: LEAST}`"
        yield Found("a judge is asked once a model is chosen", "success_criteria.primary_metric", help)
    if look.task.evaluation.judge:
        return
    help = "write `evaluation: {judge: {endpoint: URL, model: NAME}}`"
    if "preference" in look.task.evaluation.metrics:
        at = f"evaluation.metrics.{look.task.evaluation.metrics.index('preference')}"
        yield Found("no judge is named that could prefer anything", at, help)
    elif look.task.success_criteria.gates.get("preference", False) is not False:
        yield Found("no judge is named that could prefer anything", "success_criteria.gates.preference", help, key=True)


@check("T821")
def judge_has_two_answers(look: Look) -> Iterator[Found]:
    """`evaluation.judge.against` is neither `reference` nor a baseline that runs.

    Switch the baseline on, or leave the key out: then answers are held against the rows' own.
    """
    judge = look.task.evaluation.judge
    runs = sorted(name for name, options in look.task.baselines.items() if options is not False)
    if judge and judge.against not in ("reference", *runs):
        help = did_you_mean(judge.against, ["reference", *runs]) or f"write `{judge.against}: true` under baselines"
        note = f"there are reference, {', '.join(runs)}" if runs else "no baseline runs"
        yield Found(f"no answers of `{judge.against}` are there", "evaluation.judge.against", help, note)


@check("T822")
def judge_compares_texts(look: Look) -> Iterator[Found]:
    """`evaluation.judge` beside a contract that is no text: labels and JSON are right or wrong, and need no judge.

    Remove it, or choose among the metrics of the contract.
    """
    kind = lowered(look.task.output_format.type)
    if look.task.evaluation.judge and kind != "text":
        yield Found(f"a {kind} answer is measured without a judge", "evaluation.judge", "remove it", key=True)
