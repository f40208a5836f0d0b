"""Answers in which the one who wrote them talks to the one who asked for them: rows are made by models, too."""

from __future__ import annotations

import re
from collections.abc import Iterator

from stages.catalog import DataGate
from stages.seen import Seen, Settings

_LEAKED = {
    "names itself a language model": r"\bas an? (?:ai|artificial intelligence)\b[^.]{0,20}\b(?:model|assistant)\b|"
    r"\bi(?:'m| am) (?:just |only )?an? (?:ai|language model)\b|"
    r"作為(?:一個)?(?:AI|人工智慧|語言模型)|作为(?:一个)?(?:AI|人工智能|语言模型)",
    "announces what it holds": r"^\s*(?:sure|certainly|of course|okay|ok)[,!.][^\n]{0,60}\bhere(?:'s| is| are)\b|"
    r"^\s*here (?:is|are) (?:the|a|an|your|\d+) [^\n]{0,60}:\s*$|^\s*(?:當然|好的|当然)[,!，！。][^\n]{0,30}以下",
    "repeats the order that it was written to": r"\b(?:generate|write|create|produce) (?:\d+|a|an|another|the next) "
    r"(?:\w+ ){0,4}(?:training|synthetic|new) (?:example|sample|row|data)|\byou are (?:generating|creating) "
    r"(?:synthetic|training)\b|\b(?:synthetic|training) (?:example|sample|row) #?\d+",
    "holds marks of a chat template": r""
    r"<\|(?:im_start|im_end|endoftext|eot_id|start_header_id|user|assistant|system)\|>"
    r"|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>",
    "refuses": r"\bi(?:'m| am) sorry,? but i (?:can(?:'|no)t|am unable|won't)\b|"
    r"\bi can(?:'|no)t (?:assist|help) with that\b",
}
_ANY = re.compile("|".join(f"({pattern})" for pattern in _LEAKED.values()), re.IGNORECASE | re.MULTILINE)
_HINTS = re.compile(
    r"(?i)[<\[]|sure|certainly|course|ok|here|\ba[ni]\b|i'm|i am|i can|"
    r"generat|write|creat|produc|synthetic|training|[作當当好]"
)


def look(seen: Seen, settings: Settings) -> Iterator[str]:
    """The right answer is looked at; a question may well quote such words, and a rejected answer may say them."""
    answer = seen.answer
    if seen.contract.type == "label" or not answer or not _HINTS.search(answer):
        return
    found = _ANY.search(answer.replace("\\n", "\n"))
    if found:
        yield f"the answer {list(_LEAKED)[int(found.lastindex or 1) - 1]}"


DATA_GATE = DataGate("instructions", "no answer speaks of how it was made", "reject", look)
