"""The steps of a plan: the answer, where it is a list; otherwise its first field that is one."""

from __future__ import annotations

from typing import Any

from stages.rows import dumps


def steps(answer: Any) -> list[str]:
    """Each step as text, by which steps are compared."""
    if isinstance(answer, dict):
        answer = next((value for value in answer.values() if isinstance(value, list)), None)
    return [dumps(step, sort_keys=True) for step in answer] if isinstance(answer, list) else []
