"""Share of calls in which the tool and every argument that it requires are right; optional arguments do not count."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages.equality import same
from stages.metrics._calls import arguments, required, tool
from stages.metrics._rates import mean

if TYPE_CHECKING:
    from stages.judging import Judged


def right(judged: Judged) -> float | None:
    """Rows that expect no call do not count. Of a tool unknown to the contract all arguments count."""
    name = tool(judged.gold)
    if name is None:
        return None
    gold, said = arguments(judged.gold), arguments(judged.said)
    named = required(judged.schema, name)
    names = gold.keys() if named is None else [argument for argument in named if argument in gold]
    fits = all(argument in said and same(gold[argument], said[argument]) for argument in names)
    return float(tool(judged.said) == name and fits)


METRIC = mean("argument_accuracy", "share of calls with every required argument right", ("tool_call",), right)
