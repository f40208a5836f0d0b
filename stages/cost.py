"""What the model costs and saves, from what this build measured and the prices of conf/prices/. There is one only where
task.yaml has the section `cost`; nothing but the report reads it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from stages.answers import read_answers
from stages.base import Key, Params, Read, Stage, Write
from stages.bill import ASKED, bill
from stages.chat import Prompting, user_message
from stages.contract import Contract
from stages.counting import counted
from stages.rows import Row, dumps, read_json, read_jsonl, read_rows, write_json
from stages.sums import Figure, Origin

CHARACTERS = 4.0  # of a token of English, where nothing was measured
_OLD = (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, ZeroDivisionError, StopIteration)


@dataclass(frozen=True)
class Inputs:
    """Dicts from label to path, as the report has them. trained: by variant."""

    rows: Annotated[Path, Read("splits.test")]
    train: Annotated[Path, Read("splits.train")]
    splits: Annotated[Path, Read("splits.report")]
    choice: Annotated[Path, Read("select.choice")]
    trained: Annotated[dict[str, Path], Read("train.report")]
    answers: Annotated[Path, Read("test.chosen")]
    speed: Annotated[Path, Read("test.speed")]
    speeds: Annotated[dict[str, Path], Read("predict.speed")]
    baseline_speeds: Annotated[dict[str, Path], Read("baseline.speed")]
    scores: Annotated[Path, Read("score.scores")]
    taught: Annotated[Path | None, Read("augment.transcript")] = None
    judged: Annotated[Path | None, Read("prefer.transcript")] = None


class CostParams(Params):
    """terms: the section `cost` as it is written. rates: the prices that it comes to. batch_size: of the training."""

    prompting: Prompting
    contract: Contract
    primary: Annotated[str, Key("success_criteria.primary_metric")]
    batch_size: Annotated[int | dict[str, int], Key("training.batch_size", varies=True)]
    terms: Annotated[dict[str, Any], Key("costing.terms")]
    rates: Annotated[dict[str, Any], Key("costing.rates")]


@dataclass(frozen=True)
class Outputs:
    table: Annotated[Path, Write("cost.json")]


def run(inputs: Inputs, params: CostParams, out: Outputs) -> None:
    """out.table: what stages.bill.bill gives, and `quality`.

    No time of training is among a build's outputs, so that of the last one is in `tunec cost` alone; here it is
    cost.training_hours, or named as unknown.
    """
    write_json(out.table, told(facts(inputs, params), inputs, params))


def told(known: Mapping[str, Figure], inputs: Inputs, params: CostParams) -> dict[str, Any]:
    """The bill from these facts, and the quality of both models."""
    quality = otherwise(lambda: _quality(read_json(inputs.scores), params.primary), {"metric": params.primary})
    return {**bill(known, params.terms, params.rates), "quality": quality}


def facts(inputs: Inputs, params: CostParams) -> dict[str, Figure]:
    """What the build's files show. A file that is not there, or is of an older version, leaves its figures unknown."""
    found = {
        "output_tokens": otherwise(lambda: _answer_tokens(inputs)),
        "seconds_per_request": otherwise(lambda: _seconds(inputs)),
        "training_tokens": otherwise(lambda: _trained(inputs, params)),
        "evaluation_hours": otherwise(lambda: _evaluation(inputs)),
        **otherwise(lambda: _prompts(inputs, params), {}),
        **otherwise(lambda: _larger(inputs), {}),
        **otherwise(lambda: _wrong(read_json(inputs.scores)), {}),
    }
    for who, transcript, mine in _transcripts(inputs, params):
        found |= _asked(who, transcript, mine)
    return {name: figure for name, figure in found.items() if figure is not None}


def otherwise(look: Callable[[], Any], nothing: Any = None) -> Any:
    """What a look into a file gives; `nothing` where that is not there, or not what this version writes."""
    try:
        return look()
    except _OLD:
        return nothing


def _answer_tokens(inputs: Inputs) -> Figure:
    tokens = [float(answer.tokens) for answer in read_answers(inputs.answers)]
    return Figure(
        sum(tokens) / len(tokens), "measured", f"{counted(len(tokens), 'test answer')}, by the base model's tokens"
    )


def _seconds(inputs: Inputs) -> Figure:
    rate = float(read_json(inputs.speed)["chosen"]["rows_per_second"])
    return Figure(1 / rate, "measured", "the chosen file, one request at a time, on the machine that built it")


def _trained(inputs: Inputs, params: CostParams) -> Figure:
    """By the steps that were made: a budget or patience may have ended it. Whole epochs are measured; of a part of one
    the tokens are estimated, for steps are of other lengths.
    """
    variant = read_json(inputs.choice)["variant"]
    size = params.batch_size[variant] if isinstance(params.batch_size, dict) else params.batch_size
    report = read_json(inputs.trained[variant])
    tokens, steps, epoch = float(report["tokens_per_epoch"]), int(report["steps"]), math.ceil(report["rows"] / size)
    origin: Origin = "estimated" if steps % epoch else "measured"
    return Figure(
        tokens * steps / epoch, origin, f"{tokens:,.0f} tokens an epoch, of {counted(epoch, 'step')}; {steps:,} made"
    )


def _evaluation(inputs: Inputs) -> Figure:
    """Hours of answering: dev by every candidate, test by the chosen one, its parents and the baselines."""
    rows = read_json(inputs.splits)
    dev = [read_json(path)["rows_per_second"] for path in inputs.speeds.values()]
    asked = read_json(inputs.speed)
    test = [asked["chosen"]["rows_per_second"], *(one["rows_per_second"] for n, one in asked.items() if n != "chosen")]
    test += [read_json(path)["rows_per_second"] for path in inputs.baseline_speeds.values()]
    seconds = sum(rows["dev"] / rate for rate in dev) + sum(rows["test"] / rate for rate in test)
    return Figure(seconds / 3600, "measured", f"answers of {counted(len(dev) + len(test), 'system')}")


def _prompts(inputs: Inputs, params: CostParams) -> dict[str, Figure]:
    """Tokens of a prompt: of the tuned model as trained with, of a large one with the contract in words.

    The first is measured in training; the second is its characters by the first's characters a token.
    """
    rows = list(read_rows(inputs.rows))
    contract = params.prompting.model_copy(update={"mode": "contract"})
    asked = _characters(rows, contract, params.contract)
    known = otherwise(lambda: _measured_prompt(inputs, params))
    if known is None:
        why = f"{CHARACTERS:g} characters a token; nothing was trained yet"
        return {"prompted_tokens": Figure(asked / CHARACTERS, "assumed", why)}
    tokens, characters = known
    ratio = characters / tokens
    why = f"{ratio:.1f} characters a token, as in this task's train rows"
    tuned = Figure(tokens, "measured", "train rows")
    return {"tuned_tokens": tuned, "prompted_tokens": Figure(asked / ratio, "estimated", why)}


def _measured_prompt(inputs: Inputs, params: CostParams) -> tuple[float, float]:
    """(tokens, characters) of a train row's prompt, in the mean; the chat template's marks are among the tokens."""
    variant = read_json(inputs.choice)["variant"]
    report, rows = read_json(inputs.trained[variant]), list(read_rows(inputs.train))
    tokens = (report["tokens_per_epoch"] - report["learned_tokens_per_epoch"]) / report["rows"]
    characters = _characters(rows, params.prompting.of(variant), params.contract)
    if tokens <= 0 or characters <= 0:
        raise ValueError("no prompt")
    return tokens, characters


def _characters(rows: Iterable[Row], prompting: Prompting, contract: Contract) -> float:
    system = len(prompting.system(contract) or "")
    lengths = [system + len(user_message(prompting.input_template, row.input)) for row in rows]
    return sum(lengths) / len(lengths)


def _larger(inputs: Inputs) -> dict[str, Figure]:
    """What asking the large model took, where an endpoint was asked whose price baselines.larger names."""
    speeds = {name: read_json(path) for name, path in inputs.baseline_speeds.items() if name.startswith("larger")}
    spent = [one["cost_per_1000"] for one in speeds.values() if "cost_per_1000" in one]
    rows = read_json(inputs.splits)["test"]
    return {"larger_spent": Figure(spent[0] * rows / 1000, "measured", "baselines.larger")} if spent else {}


Mine = Callable[[Mapping[str, Any]], bool]


def _transcripts(inputs: Inputs, params: CostParams) -> Iterator[tuple[str, Path, Mine]]:
    """(who is asked elsewhere, the file with what they said, which lines of it are theirs). A judge of a teacher's rows
    that has no price of its own is the teacher itself.
    """
    apart = "row_judge" in params.rates
    if inputs.taught is not None:
        yield "teacher", inputs.taught, lambda line: not (apart and line["for"] == "judge")
        if apart:
            yield "row_judge", inputs.taught, lambda line: bool(line["for"] == "judge")
    if inputs.judged is not None:
        yield "judge", inputs.judged, lambda line: True


def _asked(who: str, transcript: Path, mine: Mine) -> dict[str, Figure]:
    """Requests to a model elsewhere, and the tokens of one in the mean, as it counted them; where it did not, about."""
    unknown = Figure(None, "unknown", f"the {ASKED[who]} was not asked yet")
    found: dict[str, Figure] | None = otherwise(lambda: _counted(who, list(filter(mine, read_jsonl(transcript)))))
    return {f"{who}_requests": unknown} if found is None else found


def _counted(who: str, lines: list[dict[str, Any]]) -> dict[str, Figure]:
    answered = [line for line in lines if "text" in line]
    told = all(line.get("input") for line in answered)
    given = [float(line.get("input") or len(dumps(line["body"]["messages"])) / CHARACTERS) for line in answered]
    said = [float(line.get("tokens", 0)) for line in answered]
    many, origin = max(1, len(answered)), "measured" if told else "estimated"
    return {
        f"{who}_requests": Figure(float(len(answered)), "measured", "this build's transcript"),
        f"{who}_input": Figure(sum(given) / many, origin),  # type: ignore[arg-type]
        f"{who}_output": Figure(sum(said) / many, "measured"),
    }


def _wrong(scores: Mapping[str, Any]) -> dict[str, Figure]:
    """Share of wrong answers of the chosen file and of the large model, by exact match or accuracy."""
    systems = scores["systems"]
    larger = next((name for name in systems if name.startswith("larger")), None)
    metric = next(name for name in ("exact_match", "accuracy") if name in systems[scores["chosen"]])
    known = {"wrong_tuned": scores["chosen"], "wrong_prompted": larger}
    return {
        name: Figure(
            1 - systems[system][metric]["value"], "measured", f"{metric} on {counted(scores['rows'], 'test row')}"
        )
        for name, system in known.items()
        if system is not None
    }


def _quality(scores: Mapping[str, Any], primary: str) -> dict[str, Any]:
    """The primary metric of the chosen file and, where it was asked, of the large model; and the lead over it."""
    systems = scores["systems"]
    larger = next((name for name in systems if name.startswith("larger")), None)
    found: dict[str, Any] = {"metric": primary, "rows": scores["rows"], "tuned": systems[scores["chosen"]][primary]}
    if larger is not None:
        found |= {"prompted": systems[larger][primary], "lead": scores["ahead"].get(larger)}
    return found


STAGE = Stage(
    name="cost",
    summary="Counts what the model costs and saves",
    run=run,
    inputs=Inputs,
    params=CostParams,
    outputs=Outputs,
    needs="costing",
    libraries=("jinja2",),
)
