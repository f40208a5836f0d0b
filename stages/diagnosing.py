"""What a training looks at beside its loss, so that its report can say what went wrong."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages import fitting, weights
from stages.catalog import Method
from stages.chat import Prompting
from stages.contract import Contract
from stages.diagnostics import fail
from stages.learning import Learned
from stages.lessons import Lesson, Prepared
from stages.rows import Row
from stages.signals import Run, signals
from stages.supervision import Example, examples

GENERAL_ROWS = 200  # as many as tell whether something was forgotten


@dataclass(frozen=True)
class Looking:
    """general: JSONL of {"prompt", "answer"}, or None."""

    lesson: Lesson
    ready: Prepared
    method: Method
    general: Path | None

    def general_loss(self) -> float | None:
        """Nats per learned token of the general rows, as the model is now. Raises T666 for a file of another shape."""
        rows = self._general() if self.general else []
        return fitting.mean_loss(self.ready.trainer.model, rows) if rows else None

    def signals(self, learned: Learned, before: float | None) -> dict[str, Any]:
        """For the report: `signals`, and the loss of general rows before and after."""
        params, tokenizer = self.lesson.params, self.lesson.tokenizer
        after = self.general_loss()
        run = Run(
            self.ready.trainer.losses,
            params.epochs,
            learned.dev,
            learned.measured.get("dev_loss"),
            (before, after) if before is not None and after is not None else None,
            fitting.marks_without_token(tokenizer, weights.chat_template(tokenizer).source),
            self._suspects(),
            rewarded="reward" in self.ready.series,
        )
        general = {"general_loss": {"before": before, "after": after}} if run.general else {}
        found = signals(run)
        return {**({"signals": found} if found else {}), **general}

    def _suspects(self) -> list[tuple[str, float]]:
        """Only rows that name a right answer can name a wrong one."""
        params = self.lesson.params
        rows = [row for row in self.lesson.train_rows() if row.answered] if params.signals.suspects else []
        if not rows or self.method.rows == "texts":
            return []
        found = self.lesson.examples(rows)
        return fitting.worst(self.ready.trainer.model, found, params.signals.suspects, params.seed)

    def _general(self) -> list[Example]:
        """The general rows as a person would ask them: without the task's words."""
        asked = Prompting(input_template="{prompt}", system_prompt=None, mode="none")
        rows = _read(self.general) if self.general else []
        longest = self.lesson.context
        return examples(rows[:GENERAL_ROWS], self.lesson.tokenizer, asked, Contract(type="text", schema_=None), longest)


def _read(path: Path) -> list[Row]:
    """Raises T666."""
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        if not line.strip():
            continue
        try:
            said = json.loads(line)
            found.append(Row(f"line {number}", {"prompt": str(said["prompt"])}, str(said["answer"])))
        except (ValueError, KeyError, TypeError, RecursionError):
            help = 'write a line for each row: {"prompt": "…", "answer": "…"}'
            raise fail("T666", "a general row is not one", help=help, file=path.as_posix(), line=number) from None
    if not found:
        raise fail("T666", f"{path.name} holds no row", help='write a line for each: {"prompt": "…", "answer": "…"}')
    return found
