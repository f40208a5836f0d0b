"""`tunec export-data PROVIDER`: the splits in a provider's own fine-tuning format, its limits checked, for people who
train elsewhere. The prompt is the one that the model would be trained and served with here.

Sources: the providers' pages on preparing data, as of 2025 to 2026: platform.openai.com (supervised, preference),
docs.aws.amazon.com/nova (bedrock-conversation-2024), cloud.google.com/vertex-ai (Gemini), docs.together.ai.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.counting import counted
from stages.diagnostics import Diagnostic, UserError, fail
from stages.rows import dumps, read_rows
from tunec.compiling import compile_workspace
from tunec.placing import placed

NAMED = 5
_BYTES_A_TOKEN = 8  # at most, on the average of a row: what is longer is surely too long


@dataclass(frozen=True)
class Said:
    """One row: what the model is told, asked and is to answer; and a worse answer, where there is one."""

    id: str
    system: str | None
    user: str
    answer: str
    worse: str | None = None


@dataclass(frozen=True)
class Provider:
    """write: a row as its line says it. rows: the least and the most of train; dev: the most of dev. tokens: of a row.

    size: bytes of a file. prefers: whether it takes a worse answer beside. reserved: how no prompt may begin.
    """

    write: Callable[[Said], Mapping[str, Any]]
    rows: tuple[int, int]
    dev: int
    tokens: int
    size: int
    prefers: bool = False
    reserved: tuple[str, ...] = ()


@dataclass(frozen=True)
class Provided:
    """What a provider is given, not written yet. lines: split -> its rows, as the provider reads them."""

    provider: str
    lines: Mapping[str, Sequence[str]]

    def write(self, out: Path) -> str:
        """`out`/train.jsonl and dev.jsonl; gives what was written, in words. Raises T685 where that cannot be."""
        try:
            out.mkdir(parents=True, exist_ok=True)
            for name, lines in self.lines.items():
                (out / f"{name}.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        except OSError as error:
            why = (error.strerror or "it failed").lower()
            raise fail("T685", f"nothing can be written to {out}: {why}", help="name a folder with `--out`") from None
        counts = " and ".join(f"{counted(len(lines), 'row')} of {name}" for name, lines in self.lines.items())
        return f"wrote {counts} for {self.provider} to {out}/; test rows stay here, to measure what comes back"


def provided(root: Path, provider: str, overrides: list[str]) -> Provided:
    """Raises T407 before there are splits, T677 for a provider that is none, T678 for what it would not take."""
    if provider not in PROVIDERS:
        raise fail("T677", f"there is no provider {provider!r}", help=f"choose one of {', '.join(PROVIDERS)}")
    chosen = PROVIDERS[provider]
    splits = {name: _rows(root, name, overrides) for name in ("train", "dev")}
    texts = {name: [dumps(_line(chosen, row)) for row in rows] for name, rows in splits.items()}
    if found := [problem for name, rows in splits.items() for problem in _problems(provider, name, rows, texts[name])]:
        raise UserError(*found)
    return Provided(provider, texts)


def may_not_leave(root: Path, provider: str, overrides: list[str]) -> list[Diagnostic]:
    """The warning T680 where the task says that rows stay here; files for a provider are written to leave."""
    cost = compile_workspace(root, overrides).task.cost
    if cost is None or cost.data_may_leave is not False:
        return []
    message = f"task.yaml says that rows may not leave this machine, and these files are for {provider}"
    help = "hand them to nobody, or ask whoever said so; where they may leave, write `data_may_leave: true`"
    found = Diagnostic("T680", message, None, (), help, "warning", key="cost.data_may_leave")
    return [placed(found, root)]


def _rows(root: Path, split: str, overrides: list[str]) -> list[Said]:
    from stages.chat import user_message
    from stages.lessons import TrainParams

    path = root / "build" / "splits" / f"{split}.jsonl"
    if not path.is_file():
        raise fail("T407", "nothing has been built here yet", help="run `tunec build splits`")
    rows = list(read_rows(path))
    if any(row.text is not None for row in rows):
        help = "train on texts here, or hand over the rows of a task with `method: sft`"
        raise fail("T678", "rows of train are texts, and providers take questions with answers", help=help)
    instance = next(i for i in compile_workspace(root, overrides).plan.instances if i.stage.name == "train")
    params = TrainParams(**instance.params)
    contract, system = params.contract, params.prompting.system(params.contract)
    return [
        Said(
            row.id,
            system,
            user_message(params.prompting.input_template, row.input),
            contract.write(row.output),
            contract.spell(row.rejected) if row.rejected is not None else None,
        )
        for row in rows
        if row.answered
    ]


def _line(provider: Provider, row: Said) -> Mapping[str, Any]:
    return _preference(row) if provider.prefers and row.worse is not None else provider.write(row)


# ---------------------------------------------------------------- limits


def _problems(provider: str, split: str, rows: Sequence[Said], lines: Sequence[str]) -> list[Diagnostic]:
    limits = PROVIDERS[provider]
    least, most = limits.rows if split == "train" else (0, limits.dev)
    found = []
    if not least <= len(rows) <= most:
        what = f"takes at least {least:,}" if len(rows) < least else f"takes at most {most:,}"
        message = f"{counted(len(rows), 'row')} of {split}, and {provider} {what}"
        found.append(_refused(message, "bring more rows" if len(rows) < least else "choose fewer with splits.ratios"))
    if (size := sum(len(line.encode()) + 1 for line in lines)) > limits.size:
        message = f"{split}.jsonl has {size / 1e6:,.0f} MB, and {provider} takes {limits.size / 1e6:,.0f} MB"
        found.append(_refused(message, "choose fewer rows"))
    longest = limits.tokens * _BYTES_A_TOKEN
    if long := [row.id for row, line in zip(rows, lines, strict=True) if len(line.encode()) > longest]:
        message = f"longer than {provider} reads ({limits.tokens:,} tokens): {counted(len(long), 'row')} of {split}"
        found.append(_refused(message, "shorten them, or drop them", long))
    return found + _reserved(provider, split, rows)


def _reserved(provider: str, split: str, rows: Sequence[Said]) -> list[Diagnostic]:
    words = PROVIDERS[provider].reserved
    wrong = [row.id for row in rows if words and ((row.system or "").startswith(words) or row.user.startswith(words))]
    if not wrong:
        return []
    message = (
        f"{counted(len(wrong), 'prompt', 'begins', 'begin')} with a word that {provider} keeps for itself, in {split}"
    )
    return [_refused(message, f"begin input_template or system_prompt otherwise than with {', '.join(words)}", wrong)]


def _refused(message: str, help: str, ids: Sequence[str] = ()) -> Diagnostic:
    more = f" and {len(ids) - NAMED} more" if len(ids) > NAMED else ""
    notes = (f"row ids: {', '.join(ids[:NAMED])}{more}",) if ids else ()
    return Diagnostic("T678", message, notes=notes, help=help)


# ---------------------------------------------------------------- formats


def _chat(row: Said) -> list[dict[str, str]]:
    system = [{"role": "system", "content": row.system}] if row.system else []
    return [*system, {"role": "user", "content": row.user}]


def _messages(row: Said) -> Mapping[str, Any]:
    """{"messages": [{"role": "system", …}, {"role": "user", …}, {"role": "assistant", …}]}"""
    return {"messages": [*_chat(row), {"role": "assistant", "content": row.answer}]}


def _preference(row: Said) -> Mapping[str, Any]:
    """{"input": {"messages": […]}, "preferred_output": […], "non_preferred_output": […]}"""
    answers = {"preferred_output": row.answer, "non_preferred_output": row.worse}
    said = {name: [{"role": "assistant", "content": text}] for name, text in answers.items()}
    return {"input": {"messages": _chat(row)}, **said}


def _converse(row: Said) -> Mapping[str, Any]:
    """{"schemaVersion": "bedrock-conversation-2024", "system": [{"text": …}], "messages": [{"role", "content"}]}"""
    said = (("user", row.user), ("assistant", row.answer))
    messages = [{"role": role, "content": [{"text": text}]} for role, text in said]
    system = {"system": [{"text": row.system}]} if row.system else {}
    return {"schemaVersion": "bedrock-conversation-2024", **system, "messages": messages}


def _contents(row: Said) -> Mapping[str, Any]:
    """{"systemInstruction": {"parts": […]}, "contents": [{"role": "user", "parts": […]}, {"role": "model", …}]}"""
    said = (("user", row.user), ("model", row.answer))
    system = {"systemInstruction": {"role": "system", "parts": [{"text": row.system}]}} if row.system else {}
    return {**system, "contents": [{"role": role, "parts": [{"text": text}]} for role, text in said]}


_WORDS = ("User:", "Bot:", "Assistant:", "System:", "<image>", "<video>", "[EOS]")
_MANY = 10**9
PROVIDERS: Mapping[str, Provider] = {
    "openai": Provider(_messages, (10, _MANY), _MANY, 65_536, 512 * 1_000_000, prefers=True),
    "bedrock": Provider(_converse, (8, 20_000), 20_000, 32_000, 10 * 1_000_000_000, reserved=_WORDS),
    "vertex": Provider(_contents, (1, _MANY), 5_000, 131_072, 1_000_000_000),
    "together": Provider(_messages, (1, _MANY), _MANY, 131_072, 50 * 1_000_000_000, prefers=True),
}
