"""How rows are parted."""

from __future__ import annotations

from collections.abc import Iterator

from compiler.checks._check import Found, Look, check
from compiler.resolve import did_you_mean
from stages.schemas import label_field
from stages.shapes import SPLIT_COLUMN

_FEW = 20  # rows below which a share of right answers says next to nothing: its interval is wider than 0.4


@check("T133")
def ratios_sum_to_one(look: Look) -> Iterator[Found]:
    """Shares of train, dev and test that do not sum to 1.

    Every row goes somewhere. 0.8, 0.1 and 0.1 is usual; 0.7, 0.15 and 0.15 where rows are few.
    """
    ratios = look.task.splits.ratios
    total = ratios.train + ratios.dev + ratios.test
    if abs(total - 1) > 1e-6:
        sums = f"train {ratios.train:g} + dev {ratios.dev:g} + test {ratios.test:g} = {total:g}"
        rest = 1 - ratios.dev - ratios.test
        help = f"write `train: {rest:g}`" if 0 < rest < 1 else "let them sum to 1, such as 0.8, 0.1 and 0.1"
        yield Found("the shares of the splits do not sum to 1", "splits.ratios", help, sums)


@check("T129")
def something_is_left_to_train_on(look: Look) -> Iterator[Found]:
    """A share of 0 that leaves no rows to train on, to choose a model by (dev) or to measure it with (test).

    Let it be more than 0. A share of dev or test may be 0 where a source has that `role`, or a column `split` names
    such rows.
    """
    if look.task.splits.ratios.train == 0:
        yield Found("no rows are left to train on", "splits.ratios.train", "write a share above 0, such as 0.8")
    why = {"dev": "to choose a model by", "test": "to measure the model with"}
    for split in _by_share(look):
        if getattr(look.task.splits.ratios, split) == 0:
            help = f"write a share above 0, such as 0.1, or bring a source with `role: {split}`"
            yield Found(f"no row is left for {split}, {why[split]}", f"splits.ratios.{split}", help)


def _by_share(look: Look) -> list[str]:
    """dev and test, where no row of the data says that it is of them, so that a share alone gives them rows."""
    if not look.seen_each or SPLIT_COLUMN in look.columns:
        return []
    roles = {source.role for source in look.task.data.sources}
    return [split for split in ("dev", "test") if split not in roles]


@check("T113", "warning")
def official_split_takes_no_share(look: Look) -> Iterator[Found]:
    """A share that has no effect, because the data names the rows of that split.

    Where a column `split` or a `role` names test rows, no share of others becomes test. Remove the share, or write 0.
    """
    roles = {source.role for source in look.task.data.sources}
    named = {split for _, _, _, peek in look.peeks for split in peek.splits} | {role for role in roles if role}
    for split in ("dev", "test"):
        at = f"splits.ratios.{split}"
        if split in named and look.written(at) and getattr(look.task.splits.ratios, split):
            yield Found(f"the data names its {split} rows, so this share has no effect", at, "write 0")


@check("T114")
def group_has_a_column(look: Look) -> Iterator[Found]:
    """`splits.group_by` names a column that the data does not have.

    Correct the column's name.
    """
    column = look.task.splits.group_by
    if column and look.seen_whole and column not in look.columns:
        note = f"columns of the data: {', '.join(sorted(look.columns))}"
        help = did_you_mean(column, sorted(look.columns)) or "name a column of the data"
        yield Found(f"no column is named `{column}`", "splits.group_by", help, note)


@check("T115", "warning")
def stratify_has_labels(look: Look) -> Iterator[Found]:
    """`splits.stratify: true` where it has no effect: the answers are no labels, or rows are parted by group.

    Remove it.
    """
    if not (look.task.splits.stratify and look.written("splits.stratify")):
        return
    if look.task.splits.group_by:
        yield Found("groups are not stratified", "splits.stratify", "remove it, or `group_by`")
    elif look.task.output_format.type != "label" and label_field(look.schema) is None:
        kind = look.task.output_format.type
        yield Found(f"a {kind} contract has no labels to stratify by", "splits.stratify", "remove it")


@check("T163", "warning")
def splits_hold_enough(look: Look) -> Iterator[Found]:
    """So few rows for dev or test that the figures will hardly say anything.

    Of 20 rows, a share of right answers is known to about 0.2 in each direction. Bring more rows, or raise the share.
    """
    if any(peek.splits for _, _, _, peek in look.peeks):
        return
    ratios = look.task.splits.ratios
    counts = {split: round(look.rows * share) for split in _by_share(look) if (share := getattr(ratios, split))}
    few = {split: count for split, count in counts.items() if count < _FEW}
    if few:
        told = " and ".join(f"{count} to {split}" for split, count in few.items())
        at = "splits.ratios" if look.written("splits.ratios") else "success_criteria.threshold"
        message = f"about {told} would go: too few rows to tell models apart"
        yield Found(message, at, "bring more rows, or raise those shares in splits.ratios", f"rows: {look.rows}")
