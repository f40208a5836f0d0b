"""What is trained on beside the train split: weights of sources, and general rows."""

from __future__ import annotations

from collections.abc import Iterator

from compiler.checks._check import Found, Look, check
from compiler.checks.paths import unsafe
from compiler.resolve import did_you_mean


@check("T740")
def general_rows_are_there(look: Look) -> Iterator[Found]:
    """`data.general_mix.path` matches no file, or one that is also a source of the task's own rows.

    Put rows of other work there: questions and answers in any shape that tunec reads. General rows are never measured
    by, so they need a place of their own, such as data/general/.
    """
    mix = look.task.data.general_mix
    if mix is None or unsafe(mix.path, look.workspace):
        return
    files = look.workspace.glob(mix.path)
    sources = {file for source in look.task.data.sources if not source.hub for file in look.workspace.glob(source.path)}
    if not files:
        near = did_you_mean(mix.path, [file for file in look.workspace.glob("data/*/*") if file not in sources])
        help = near or "put the file there, or correct the path; it counts from the folder of task.yaml"
        yield Found(f"the file of general rows `{mix.path}` is not there", "data.general_mix.path", help)
    for file in sorted(sources.intersection(files)):
        help = "move it out of the way of data.sources, such as to data/general/"
        yield Found(f"{file} is also a source of the task's own rows", "data.general_mix.path", help)


@check("T741")
def general_rows_are_learned(look: Look) -> Iterator[Found]:
    """`data.general_mix` beside a method that does not learn plain answers.

    A general row is a question with its answer: sft learns it. The other methods need preferences, verdicts or a
    metric, which a general row does not have.
    """
    training = look.task.training
    methods = {"training.method": training.method} | (
        {"training.after.method": training.after.method} if training.after else {}
    )
    for key, method in methods.items():
        if look.task.data.general_mix and method != "sft":
            help = "remove `data.general_mix`, or train with `method: sft`"
            yield Found(f"`{method}` cannot learn from general rows", "data.general_mix", help, f"`{key}` is {method}")


@check("T742", "warning")
def weight_is_trained_with(look: Look) -> Iterator[Found]:
    """A `weight` of a source whose rows are not trained on.

    It says how often a train row counts; rows that are measured by count once. Remove it.
    """
    for index, source in enumerate(look.task.data.sources):
        if source.weight != 1 and source.role not in (None, "train"):
            at = f"data.sources.{index}.weight"
            yield Found(f"rows of the role {source.role} are not trained on, so a weight does nothing", at, "remove it")


@check("T752", "warning")
def forgetting_is_measured_by_other_rows(look: Look) -> Iterator[Found]:
    """The rows that forgetting is measured by are trained on as well.

    Then `training.signals.general` says how well they were learned, and nothing of what was forgotten. Measure by a
    file of its own.
    """
    mix, measured = look.task.data.general_mix, look.task.training.signals.general
    if mix and measured in look.workspace.glob(mix.path):
        help = "keep it apart from data.general_mix"
        yield Found(f"the rows of {measured} are trained on, too", "training.signals.general", help)
