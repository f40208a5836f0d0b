"""What steers a training on its way, and the training before it."""

from __future__ import annotations

from collections.abc import Iterator

from compiler.checks._check import Found, Look, check
from stages.facts import methods

# Rows of which shape an earlier training can learn from, by what the task's rows are.
_FIRST = {
    "answers": ("answers",),
    "pairs": ("answers", "pairs"),
    "verdicts": ("answers", "verdicts"),
    "texts": ("texts",),
}


@check("T670")
def first_training_reads_the_rows(look: Look) -> Iterator[Found]:
    """`training.after.method` learns from rows of another shape than the task's.

    Both trainings read the same rows. Before dpo and orpo: sft (of the chosen answers), dpo or orpo; before kto: sft
    (of the good answers) or kto; before sft and grpo: sft.
    """
    training = look.task.training
    if training.after is None:
        return
    known, first = methods(), training.after.method
    if known[first].rows not in _FIRST[look.shape] or first == "grpo":
        able = [name for name, facts in known.items() if facts.rows in _FIRST[look.shape] and name != "grpo"]
        message = f"`{first}` cannot learn from the rows of `{training.method}`"
        yield Found(message, "training.after.method", f"choose one of {', '.join(able)}, or build two tasks")


@check("T671")
def first_training_reads_the_key(look: Look) -> Iterator[Found]:
    """A key of `training.after` that its method does not read, such as `beta` beside sft.

    Remove it, or choose the method that it belongs to.
    """
    after, known = look.task.training.after, methods()
    if after is None or after.method not in known:
        return
    for key in ("beta", "shared_prefix"):
        if (
            getattr(after, key) is not None
            and key not in known[after.method].keys
            and look.written(f"training.after.{key}")
        ):
            note = f"read by {', '.join(name for name, facts in known.items() if key in facts.keys)}"
            yield Found(f"`{after.method}` does not read `{key}`", f"training.after.{key}", "remove it", note, key=True)


@check("T672")
def dev_is_measured(look: Look) -> Iterator[Found]:
    """grpo measures no dev loss, so there is nothing to check, to keep the best by, or to probe a rate with.

    Remove `training.dev` and `training.rate_probe`; the reward stands in the curve.
    """
    training = look.task.training
    if training.method == "grpo":
        for key, asked in (("dev.checks", training.dev.checks), ("rate_probe", training.rate_probe)):
            if asked:
                yield Found("grpo measures no dev loss", f"training.{key}", "remove it; the curve holds the reward")


@check("T673", "warning")
def patience_has_checks(look: Look) -> Iterator[Found]:
    """`patience` as long as all checks: training never stops early.

    Write more `checks`, or less `patience`.
    """
    training = look.task.training
    for path, dev in (("training.dev", training.dev), ("training.after.dev", training.after and training.after.dev)):
        if dev and dev.patience is not None and dev.patience >= dev.checks:
            note = f"checks: {dev.checks}"
            help = f"write `checks: {3 * dev.patience}`, or remove `patience`"
            yield Found("training never stops early", f"{path}.patience", help, note)


@check("T674")
def general_rows_are_there(look: Look) -> Iterator[Found]:
    """`training.signals.general` is not there.

    Bring the file; its path counts from the folder of task.yaml.
    """
    path = look.task.training.signals.general
    if path and not look.workspace.glob(path):
        help = "put the file there, or correct the path; it counts from the folder of task.yaml"
        yield Found(f"the file `{path}` is not there", "training.signals.general", help)
