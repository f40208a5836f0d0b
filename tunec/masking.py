"""`tunec data show ROW --mask`: a row as the model is trained on it, with the tokens that are learned marked."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.diagnostics import fail
from stages.rows import Row, read_rows
from tunec.compiling import compile_workspace

if TYPE_CHECKING:
    from stages.lessons import TrainParams
    from stages.supervision import Example

BEGIN, END = "⟦", "⟧"
_SPLITS = ("train", "dev", "test", "golden", "adversarial")


@dataclass(frozen=True)
class Masked:
    """pieces: runs of text, and whether their tokens are learned. split: where the row is."""

    id: str
    split: str
    pieces: tuple[tuple[str, bool], ...]
    tokens: int
    learned: int

    def text(self) -> str:
        """The whole text, the learned part between ⟦ and ⟧."""
        marked = "".join(f"{BEGIN}{text}{END}" if learned else text for text, learned in self.pieces)
        return f"{self.id} ({self.split}): {self.learned} of {self.tokens} tokens are learned\n\n{marked}"

    def json(self) -> dict[str, Any]:
        pieces = [{"text": text, "learned": learned} for text, learned in self.pieces]
        return {"id": self.id, "split": self.split, "tokens": self.tokens, "learned": self.learned, "pieces": pieces}


def mask(root: Path, row: str, overrides: list[str]) -> list[Masked]:
    """One for the row's answer; where it also has a rejected one, another for that. Of a text, one for each piece.

    row: an id, or a row of train by its number from 1. Raises T407 before a build, T679 for a row that is not there.
    """
    from stages import weights
    from stages.base_model import trainable
    from stages.lessons import TrainParams

    found, split = find(root, row)
    instance = next(i for i in compile_workspace(root, overrides).plan.instances if i.stage.name == "train")
    params = TrainParams(**instance.params)
    base = root / str(instance.inputs["model"])
    if not base.is_dir():
        raise _nothing_built()
    tokenizer = weights.tokenizer_of(trainable(base))
    return [_masked(found, split, one.tokens, one.labels, tokenizer) for one in _examples(found, tokenizer, params)]


def _examples(row: Row, tokenizer: Any, params: TrainParams) -> list[Example]:
    from stages.methods.cpt import blocks
    from stages.supervision import examples, spelled

    if row.text is not None:
        return blocks([row], tokenizer, params.max_length)
    says = [spelled(params.contract)]
    if row.rejected is not None and row.answered:
        says.append(lambda row: params.contract.spell(row.rejected))
    how = tokenizer, params.prompting, params.contract, params.max_length
    return [examples([row], *how, say=say)[0] for say in says]


def find(root: Path, row: str) -> tuple[Row, str]:
    """A row and its split. Raises T407, T679."""
    home = root / "build" / "splits"
    if not (home / "train.jsonl").is_file():
        raise _nothing_built()
    for split in _SPLITS:
        for number, found in enumerate(read_rows(home / f"{split}.jsonl"), 1):
            if found.id == row or (split == "train" and row == str(number)):
                return found, split
    for stage in ("augment", "mix"):
        more = root / "build" / stage / "train.jsonl"
        for found in read_rows(more) if more.is_file() else ():
            if found.id == row:
                return found, "train"
    many = sum(1 for _ in read_rows(home / "train.jsonl"))
    help = f"take an id from build/splits/, or the number of a row of train: from 1 to {many:,}"
    raise fail("T679", f"there is no row {row!r}", help=help)


def _masked(row: Row, split: str, tokens: list[int], labels: list[int], tokenizer: Any) -> Masked:
    runs = [
        (learned, [token for token, _ in run])
        for learned, run in groupby(zip(tokens, labels, strict=True), key=lambda pair: pair[1] != -100)
    ]
    pieces = tuple((str(tokenizer.decode(run)), learned) for learned, run in runs)
    return Masked(row.id, split, pieces, len(tokens), sum(label != -100 for label in labels))


def _nothing_built() -> Exception:
    return fail("T407", "nothing has been built here yet", help="run `tunec build splits`, or `tunec build`")
