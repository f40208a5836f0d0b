"""The last build as it lies on disk: its rows, answers, figures and parameters, each read when it is asked for.

Nothing is run, no model is loaded, and of the test split only what the reports say of it is read.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from compiler import Compiled
from compiler.plan import Instance
from stages.answers import read_answers
from stages.base import READ
from stages.diagnostics import Diagnostic, UserError, fail
from stages.failing import failure
from stages.judging import Judged, judge
from stages.rows import Damaged, Row, damaged, read_json, read_jsonl, read_rows
from stages.score import ScoreParams
from stages.terms import NONE
from tunec.compiling import compile_workspace, files
from tunec.guard import recorded_overrides
from tunec.workspace import TASK

_NEEDED = ("data", "splits", "augment", "mix", "train", "predict", "select", "test", "score", "gate")


@dataclass(frozen=True)
class Build:
    """root: of the workspace. compiled: its task, as it is now."""

    root: Path
    compiled: Compiled

    # ------------------------------------------------------------ reports

    def report(self, path: str, *keys: str) -> Any:
        """A report of the build. Raises T861 when it is none, or lacks one of these keys, as an older version's may."""
        try:
            found = read_json(self.root / path)
        except OSError:
            raise damaged(Path(path), "it cannot be read") from None
        missing = [key for key in keys if not isinstance(found, dict) or key not in found]
        if missing:
            raise damaged(Path(path), f"it lacks {', '.join(missing)}")
        return found

    @cached_property
    def data(self) -> Mapping[str, Any]:
        keys = ("read", "accepted", "rejected", "duplicates", "gates", "near")
        return dict(self.report("build/data/report.json", *keys))

    @cached_property
    def rejected(self) -> list[dict[str, Any]]:
        """{file, line, gate, reason} of every row that was left out."""
        return list(read_jsonl(self.root / "build/data/rejected.jsonl"))

    @cached_property
    def choice(self) -> Mapping[str, str]:
        return dict(self.report("build/select/choice.json", "chosen", "variant", "candidate"))

    @cached_property
    def drops(self) -> Mapping[str, Mapping[str, float]]:
        """File -> how far it is below its f16 on dev: {value, low, high, bound}."""
        return dict(self.report("build/select/reason.json", "drops")["drops"])

    @cached_property
    def dev_figures(self) -> Mapping[str, Mapping[str, Mapping[str, float]]]:
        """System -> metric -> {value, low, high, bound}, on dev."""
        return dict(self.report("build/select/scores.json", "systems")["systems"])

    @cached_property
    def test(self) -> Mapping[str, Any]:
        return dict(self.report("build/score/scores.json", "systems", "ahead", "chosen", "rows"))

    @cached_property
    def checks(self) -> Mapping[str, Any]:
        return dict(self.report("build/test/checks.json", "template", "stop", "tokens", "rows"))

    @cached_property
    def training(self) -> Mapping[str, Any]:
        """The report of the chosen variant's training."""
        return dict(self.report(self.trained.outputs["report"], "rows", "steps"))

    @cached_property
    def losses(self) -> list[float]:
        """Of the steps, several to a point in a long run."""
        return self._column("loss")

    @cached_property
    def dev_losses(self) -> list[float]:
        """Of the checks on the way; none where there were none."""
        return self._column("dev_loss")

    def _column(self, name: str) -> list[float]:
        path = self.trained.outputs["curve"]
        with (self.root / path).open(encoding="utf-8", newline="") as file:
            try:
                return [float(line[name]) for line in csv.DictReader(file) if line.get(name)]
            except ValueError:
                raise damaged(Path(path), f"its column {name} holds no numbers") from None

    # ------------------------------------------------------------ what it was built of

    @cached_property
    def trained(self) -> Instance:
        """The training of the chosen variant."""
        name = f"train-{self.choice['variant']}"
        found = next((one for one in self.compiled.plan.instances if one.name == name), None)
        if found is None:
            raise half(f"task.yaml has no `{name}` any more")
        return found

    @cached_property
    def params(self) -> Mapping[str, Any]:
        """Of the training."""
        return dict(self.trained.params)

    @cached_property
    def scoring(self) -> ScoreParams:
        given = self.compiled.plan["score"].params
        return ScoreParams(**{key: value for key, value in given.items() if key != READ})

    @property
    def primary(self) -> str:
        return self.scoring.yardstick.primary

    @property
    def contract(self) -> Any:
        return self.scoring.contract

    # ------------------------------------------------------------ rows and answers

    @cached_property
    def train(self) -> list[Row]:
        """Rows that were trained on and say what is right."""
        given = self.trained.inputs["train"]
        return [row for row in read_rows(self.root / str(given)) if row.answered and not row.general]

    @cached_property
    def dev(self) -> list[Row]:
        return list(read_rows(self.root / "build/splits/dev.jsonl"))

    def answers(self, candidate: str) -> list[Judged]:
        """The dev answers of a file of the chosen variant: `tuned`, `f16` or a quantization.

        Raises T860 when they are not to these rows.
        """
        path = self.root / f"build/predict-{self.choice['variant']}-{candidate}/predictions.jsonl"
        try:
            terms = self.scoring.yardstick.terms or NONE
            return judge(self.dev, read_answers(path), self.contract, terms)
        except Damaged:
            raise
        except UserError:
            raise half(f"the answers in build/{path.parent.name} are not to the rows of build/splits") from None
        except (TypeError, ValueError, OSError):
            raise damaged(path.relative_to(self.root), "its lines are no answers") from None

    @cached_property
    def chosen(self) -> list[Judged]:
        """The dev answers of the file that is shipped."""
        return self.answers(self.choice["candidate"])

    @cached_property
    def wrong(self) -> list[Judged]:
        return [one for one in self.chosen if failure(one) is not None]

    @property
    def missed(self) -> float:
        """Share of the dev rows that are not right whole."""
        return len(self.wrong) / max(1, len(self.chosen))

    def label(self, answer: Any) -> str | None:
        found = self.contract.label(answer)
        return None if found is None else str(found)

    def labelled(self, rows: Sequence[Row]) -> list[tuple[Row, str]]:
        """Rows with their label; none where the contract has none."""
        return [(row, label) for row in rows if (label := self.label(row.output)) is not None]


def last_build(root: Path) -> tuple[Build, bool]:
    """The build of this folder, and whether task.yaml is still what was compiled for it.

    Raises T407 where nothing was built, T860 for a build that did not come to its end, T861 for reports that another
    version wrote.
    """
    compiled = compile_workspace(root, recorded_overrides(root))
    needed = [one for one in compiled.plan.instances if one.stage.name in _NEEDED]
    missing = [one.name for one in needed if not all((root / path).exists() for path in one.outputs.values())]
    if len(missing) == len(needed):
        raise fail("T407", "nothing has been built here yet", help="run `tunec build`")
    if missing:
        raise half(f"not yet built: {', '.join(missing[:6])}{f' and {len(missing) - 6} more' if missing[6:] else ''}")
    return Build(root, compiled), fresh(root, compiled)


def fresh(root: Path, compiled: Compiled) -> bool:
    """Whether what was compiled last here is this."""
    texts = files(compiled)
    return all((root / name).is_file() and (root / name).read_text("utf-8") == text for name, text in texts.items())


def edited() -> Diagnostic:
    message = f"{TASK} or tunec was changed since the build: what is told is of the build as it was"
    return Diagnostic("T862", message, None, (), "run `tunec build`, then ask again", "warning")


def half(why: str) -> UserError:
    help = "run `tunec build`: what is finished is not done again"
    return fail("T860", f"the last build did not come to its end: {why}", help=help)
