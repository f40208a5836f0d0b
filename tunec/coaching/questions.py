"""What is asked, in the order that it is asked in. How it is worded stands in words/, once for each language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Form = Literal["text", "name", "choice", "choices", "number", "share", "names", "yes_no", "host"]
TOPICS = ("business", "task", "resources", "success", "versions")
TASK_TYPES = (
    *("classification", "extraction", "structured", "tool_calling", "rewriting"),
    *("summarization", "qa", "generation", "policy", "planning"),
)
_BASELINES = ("rule", "people", "prompted", "larger", "model")


@dataclass(frozen=True)
class Question:
    """form: what an answer is. choices: of a choice. most: of a number, or characters of a text.

    unless: what makes the question needless: `data` (there are rows), or what the rows show (task_type,
    answer, inputs, contract, labels, language). only: another question, and the answers to it that this one needs.
    unit: of a number.
    """

    id: str
    topic: str
    form: Form
    choices: tuple[str, ...] = ()
    most: float = 4_000
    unless: str | None = None
    only: tuple[str, ...] = ()
    unit: str = ""


QUESTIONS = (
    Question("problem", "business", "text"),
    Question("today", "business", "text"),
    Question(
        "pain", "business", "choices", ("format", "style", "knowledge", "cost", "latency", "privacy", "quality", "none")
    ),
    Question("volume", "business", "number", most=1e12),
    Question("changes", "business", "choice", ("never", "yearly", "monthly", "weekly")),
    Question("domain", "business", "text", most=80),
    Question("timeline", "business", "text", most=200),
    Question("name", "task", "name", most=60),
    Question("task_type", "task", "choice", TASK_TYPES, unless="task_type"),
    Question("answer_column", "task", "name", most=200, unless="answer"),
    Question("inputs", "task", "names", unless="inputs"),
    Question("output", "task", "choice", ("label", "json", "text", "tool_call"), unless="contract"),
    Question("labels", "task", "names", unless="labels"),
    Question("fields", "task", "names", unless="contract"),
    Question("language", "task", "name", most=20, unless="language"),
    Question("instructions", "task", "text"),
    Question("non_goals", "task", "text"),
    Question("example_input", "task", "text", unless="data"),
    Question("example_output", "task", "text", unless="data"),
    Question("rows", "resources", "number", most=1e9, unless="data"),
    Question("more_data", "resources", "choice", ("none", "people", "logs", "teacher")),
    Question("gpu", "resources", "choice", ("none", "local", "remote")),
    Question("gpu_memory", "resources", "number", most=10_000, only=("gpu", "local", "remote"), unit="GB"),
    Question("gpu_host", "resources", "host", most=200, only=("gpu", "remote")),
    Question("network", "resources", "yes_no"),
    Question("data_may_leave", "resources", "yes_no"),
    Question("metric", "success", "name", most=60),
    Question("threshold", "success", "share", most=100),
    Question("baseline", "success", "choice", ("none", *_BASELINES)),
    Question("baseline_score", "success", "share", most=100, only=("baseline", *_BASELINES)),
    Question("latency", "success", "number", most=1e7, unit="ms"),
    Question("iterations", "versions", "choice", ("once", "several")),
    Question("deploy", "versions", "choice", ("huggingface", "ollama", "api", "local")),
    Question("strategy", "versions", "choice", ("semantic", "date", "hybrid")),
    Question("retention", "versions", "number", most=1_000),
)
BY_ID = {question.id: question for question in QUESTIONS}
