"""1 - tree edit distance over the nodes of both JSON trees, averaged over rows.

Objects are trees whose keys stand sorted, lists keep their order. An edit adds, removes or renames one node. Answers of
more than LARGEST nodes are compared by the (path, value) pairs that both have (Dice), for the distance's cost grows
with the fourth power. Source: Zhang and Shasha 1989."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stages.metrics._rates import mean
from stages.rows import dumps

if TYPE_CHECKING:
    from stages.judging import Judged

LARGEST = 200  # nodes


@dataclass
class Tree:
    """labels: of the nodes in postorder. leftmost: of each node's subtree, the first leaf's place. roots: keyroots."""

    labels: list[str] = field(default_factory=list)
    leftmost: list[int] = field(default_factory=list)

    @property
    def roots(self) -> list[int]:
        last = {left: place for place, left in enumerate(self.leftmost)}
        return sorted(last.values())


def scored(judged: Judged) -> float:
    """0 for an answer that cannot be read."""
    if not judged.read:
        return 0.0
    gold, said = tree(judged.gold), tree(judged.said)
    both = len(gold.labels) + len(said.labels)
    if max(len(gold.labels), len(said.labels)) > LARGEST:
        a, b = Counter(leaves(judged.gold)), Counter(leaves(judged.said))
        return 2 * (a & b).total() / max(1, a.total() + b.total())
    return 1 - distance(gold, said) / both


def tree(value: Any) -> Tree:
    built = Tree()
    _add(value, "", built)
    return built


def _add(value: Any, name: str, built: Tree) -> int:
    """Append the subtree of a value that stands under `name`; gives its first leaf's place."""
    parts = sorted(value.items()) if isinstance(value, dict) else []
    parts = [("", item) for item in value] if isinstance(value, list) else parts
    firsts = [_add(inner, str(key), built) for key, inner in parts]
    own = "{}" if isinstance(value, dict) else "[]" if isinstance(value, list) else dumps(value)
    built.labels.append(f"{name}={own}")
    first = firsts[0] if firsts else len(built.labels) - 1
    built.leftmost.append(first)
    return first


def leaves(value: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """Every (path, value) at the ends of a value."""
    parts = (
        value.items()
        if isinstance(value, dict)
        else ((str(i), v) for i, v in enumerate(value))
        if isinstance(value, list)
        else None
    )
    if parts is None:
        yield at, dumps(value)
    else:
        for name, inner in parts:
            yield from leaves(inner, f"{at}/{name}")


def distance(a: Tree, b: Tree) -> int:
    """The fewest nodes to add, remove or rename that make b of a."""
    known = [[0] * len(b.labels) for _ in a.labels]
    for i in a.roots:
        for j in b.roots:
            _forests(a, b, i, j, known)
    return known[-1][-1]


def _forests(a: Tree, b: Tree, i: int, j: int, known: list[list[int]]) -> None:
    """Fill in the distances of all subtrees that begin where those of i and j do."""
    left, top = a.leftmost[i], b.leftmost[j]
    rows, columns = i - left + 2, j - top + 2
    cost = [[x + y if not (x and y) else 0 for y in range(columns)] for x in range(rows)]
    for x in range(1, rows):
        for y in range(1, columns):
            p, q = x + left - 1, y + top - 1
            least = min(cost[x - 1][y], cost[x][y - 1]) + 1
            if a.leftmost[p] == left and b.leftmost[q] == top:
                cost[x][y] = min(least, cost[x - 1][y - 1] + (a.labels[p] != b.labels[q]))
                known[p][q] = cost[x][y]
            else:
                cost[x][y] = min(least, cost[a.leftmost[p] - left][b.leftmost[q] - top] + known[p][q])


METRIC = mean("tree_score", "likeness of JSON trees by edit distance", ("json",), scored)
