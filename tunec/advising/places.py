"""Where a task can be trained and served: the places of conf/prices/, and what speaks against each; what its data and
its field ask for wherever it runs. No price is looked at here: `tunec cost` does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from compiler import Compiled
from compiler.costing import LABOUR
from compiler.costs import Cost
from compiler.domains import high_stakes
from compiler.licences import KNOWN, conflicts, parts, released
from compiler.parse import ParseError
from compiler.prices import PriceList, names, price_list
from stages.catalog import DataGate, members
from stages.diagnostics import UserError
from tunec.advising.signals import Signal
from tunec.costing import speaks_against
from tunec.observing import Observed
from tunec.workspace import Disk


@dataclass(frozen=True)
class Place:
    """against: what rules it out. ask: what has to be settled first."""

    name: str
    title: str
    privacy: str
    region: str
    against: tuple[str, ...]
    ask: tuple[str, ...]

    def json(self) -> dict[str, Any]:
        return asdict(self)

    def line(self) -> str:
        region = f", in {self.region}" if self.region and self.ask else ""
        said = [f"against it: {', '.join(self.against)}"] if self.against else []
        return "; ".join([f"{self.title}: {self.privacy}{region}", *said, *self.ask])


def places(root: Path, compiled: Compiled, seen: Observed | None, may_leave: bool | None) -> list[Place]:
    """Those that nothing speaks against first. may_leave: None where nobody said. Raises T772 and T773."""
    disk = Disk(root)
    try:
        lists = [found for name in names(disk) if name != LABOUR and (found := price_list(name, disk))]
    except ParseError as error:
        raise UserError(*error.diagnostics) from None
    listed = [_place(of, compiled, seen, may_leave) for of in lists]
    return sorted(listed, key=lambda place: (len(place.against), len(place.ask), place.title))


def _place(of: PriceList, compiled: Compiled, seen: Observed | None, may_leave: bool | None) -> Place:
    cost = (compiled.task.cost or Cost()).model_copy(update={"data_may_leave": may_leave})
    against = tuple(speaks_against(of, compiled, cost))
    return Place(of.name, of.title, of.privacy, of.region, against, tuple(_ask(of, seen, may_leave)))


def _ask(of: PriceList, seen: Observed | None, may_leave: bool | None) -> Iterator[str]:
    if not of.leaves or may_leave is False:
        return
    if may_leave is None:
        yield "nobody said whether rows may leave (cost.data_may_leave)"
    if seen and seen.personal:
        yield f"rows hold personal data ({', '.join(seen.personal)}), which would be processed there"
    if not of.region:
        yield "its region is not said"


# ---------------------------------------------------------------- what holds wherever it runs


def duties(compiled: Compiled, seen: Observed | None) -> Iterator[Signal]:
    """What data and field ask for. No rule turns on these: they hold for every approach."""
    yield _personal(compiled, seen)
    yield _licence(compiled)
    field = high_stakes(compiled.task.domain)
    reviewed = compiled.task.expert_review is not None
    if field:
        told = f"{field}: a release asks for expert_review, which is {'' if reviewed else 'not '}written"
        yield Signal("field", field, "task.yaml", told)
    elif compiled.task.domain:
        yield Signal("field", None, "task.yaml", "the domain is none in which a release asks for a review")
    else:
        yield Signal("field", None, "assumed", "nobody said what field it is: domain")


def _personal(compiled: Compiled, seen: Observed | None) -> Signal:
    if seen is None:
        return Signal("personal", None, "assumed", "no row shows whether there is personal data")
    if not seen.personal:
        return Signal("personal", False, "data", "no personal data was found, by patterns and in the rows looked at")
    actions = compiled.task.data.gates
    what = actions.get("pii") or members("stages.data_gates", "DATA_GATE", DataGate)["pii"].action
    return Signal("personal", True, "data", f"rows hold {', '.join(seen.personal)}; the gate pii says {what}")


def _licence(compiled: Compiled) -> Signal:
    """Of what would be released, from base model and sources; and what it may not be."""
    task = compiled.task
    named = [(source.path, source.license) for source in task.data.sources if source.license]
    unnamed = [source.path for source in task.data.sources if not source.license]
    of = parts(task.base_model.license, task.training.base_model, named)
    licence = released(task.versioning.license, of)
    wrong = list(conflicts(licence, of))
    unknown = [one.licence for one in of if one.licence not in KNOWN]
    told = [f"a release would be under {licence or 'no licence that is known'}", *wrong]
    told += [f"no licence is named for {', '.join(unnamed)}"] if unnamed else []
    told += [f"what {', '.join(unknown)} asks is not known here"] if unknown else []
    return Signal("licence", not (wrong or unnamed or unknown), "task.yaml", "; ".join(told))
