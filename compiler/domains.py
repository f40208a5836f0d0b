"""Fields of work in which a wrong answer hurts people: medicine, law, finance, employment, safety.

A task of such a field is reviewed by somebody who knows it before it is released. The field is told by the words of
`domain`, in English and in Chinese.
"""

from __future__ import annotations

import re

_WORDS = {
    "medicine": r"medic(al|ine)|health(care)?|clinic(al)?|hospital|pharma(cy|ceutical)?|patients?"
    "|diagnos(is|tic)|nursing|醫療|醫學|醫院|臨床|健康|藥|病患|護理|医疗|医学|护理",
    "law": r"legal|laws?|lawyers?|court|litigation|compliance|contracts?|法律|法務|法規|司法|訴訟|合規|契約|法规",
    "finance": r"financ(e|ial)|bank(ing)?|credit|insurance|invest(ment|ing)?|trading|lending|tax"
    "|金融|銀行|財務|保險|投資|信貸|證券|理財|保险|银行",
    "employment": r"employment|hiring|recruit(ing|ment)?|hr|human resources|candidates?"
    "|人資|人力資源|招募|招聘|雇用|僱用",
    "safety": r"safety|aviation|automotive|nuclear|emergency|self.?harm|安全|飛航|航空|核能|緊急|自傷",
}
_KNOWN = {field: re.compile(rf"(?<![a-z])({words})(?![a-z])", re.IGNORECASE) for field, words in _WORDS.items()}


def high_stakes(domain: str | None) -> str | None:
    """The field that a domain belongs to, by its English name; None where a mistake costs less."""
    return next((field for field, pattern in _KNOWN.items() if domain and pattern.search(domain)), None)
