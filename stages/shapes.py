"""What a data file may look like: the facts that the compiler checks by and the `data` stage reads by."""

from __future__ import annotations

READABLE = (".jsonl", ".csv", ".parquet")
SPLIT_COLUMN = "split"
SPLITS = {"train": "train", "training": "train", "test": "test"} | dict.fromkeys(
    ("dev", "validation", "valid", "val", "eval"), "dev"
)
APART = ("golden", "adversarial")  # splits that only a source's role or its column `split` makes
SPLITS |= {name: name for name in APART}
VERDICT_COLUMNS = ("completion", "output", "answer")  # where `label` says whether the answer is good
ANSWER_COLUMNS = ("output", "label", "answer")  # the first that a row has holds its answer


def readable(file: str) -> bool:
    """Whether a reader exists for a file's ending."""
    return file.endswith(READABLE)
