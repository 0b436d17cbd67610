"""Why a forecast changed between two origins: parts that sum to the change, to the cent.

Takes two origins and some keys, gives parts. Each issue of forecasts says what changed since the
one before, and what would have been forecast in between is stored beside it; so any two origins are
explained by adding up the steps between them. Must not forecast anything.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from sales_forecast.data.forecasts.issue_rows import IssueOnTheWay, KnownIssue
from sales_forecast.data.forecasts.override_tables import Scope
from sales_forecast.data.forecasts.plan_rows import PlanRows, PlanTables
from sales_forecast.data.spec import PanelSpec
from sales_forecast.errors import InvalidRequest, NoForecasts
from sales_forecast.planning.reforecast import NEW_MODEL, NOT_SPLIT

OVERRIDES = "overrides"
CAUSES = ("covariates", "corrected_sales", "new_sales", NEW_MODEL, NOT_SPLIT, OVERRIDES)
"""In this order one input after the other was exchanged; `not_split` is what nothing explains."""
_NOT_KEPT = (
    "What would have been forecast between {first} and {last} is not stored: their difference is "
    "one part."
)


@dataclass(frozen=True)
class Change:
    """How what is planned changed, in cents.

    Attributes:
        start, end: the origins.
        targets: the periods that both forecast, all added up.
        before, after: what was planned.
        parts: cause -> amount, of each of `CAUSES`; they add up to `after - before`.
        notes: what could not be told apart, in sentences.
    """

    start: date
    end: date
    targets: Sequence[date]
    before: int
    after: int
    parts: Mapping[str, int]
    notes: Sequence[str]


def explain(
    tables: PlanTables,
    spec: PanelSpec,
    scope: Scope,
    *,
    target: date | None = None,
    start: date | None = None,
    end: date | None = None,
) -> Change:
    """Return why what is planned of a sum changed between two origins.

    Args:
        tables: of the database.
        spec: of the stored panel.
        scope: the keys of the series, others are summed over.
        target: one period; None: all that both origins forecast.
        start: an origin; None: the one before `end`.
        end: a later one; None: the newest.

    Raises InvalidRequest for an origin or a period that was not forecast, NoForecasts before there
    are two origins, DatabaseError, NotReady.
    """
    with tables.reading(spec) as rows:
        issues = _newest_of_each_origin(rows)
        first, last = _ends(issues, start, end)
        way = rows.issues.between(first.id, last.id)
        sums = rows.issues.sums([of.id for of in way], scope)
        both = sorted(sums[first.id].keys() & sums[last.id].keys())
        targets = [of for of in both if target in {None, of}]
        if not targets:
            raise _not_forecast(spec, target, both)
        apart = [rows.differences(of.id, scope) for of in (first, last)]
    parts, notes = _parts(way, sums, targets)
    before, after = (_total(of, targets) for of in apart)
    parts[OVERRIDES] = after - before
    return Change(
        start=first.origin,
        end=last.origin,
        targets=targets,
        before=_total(sums[first.id], targets) + before,
        after=_total(sums[last.id], targets) + after,
        parts=parts,
        notes=notes,
    )


def _newest_of_each_origin(rows: PlanRows) -> dict[date, KnownIssue]:
    found: dict[date, KnownIssue] = {}
    for of in rows.issues.all():  # the newest first
        found.setdefault(of.origin, of)
    return found


def _ends(
    issues: Mapping[date, KnownIssue], start: date | None, end: date | None
) -> tuple[KnownIssue, KnownIssue]:
    origins = sorted(issues)
    if len(origins) < 2:  # noqa: PLR2004
        raise NoForecasts(
            f"There are no two origins to compare: forecasts were issued after {origins[0]} alone."
            if origins
            else "There is nothing to compare yet. Run python train.py forecast.",
            {"origins": [*map(str, origins)]},
        )
    last = _known("to", end, origins) if end else origins[-1]
    earlier = [of for of in origins if of < last]
    first = _known("from", start, origins) if start else (earlier or [last])[-1]
    if first >= last:
        raise InvalidRequest(
            f"from {first} must be before to {last}.", {"from": str(first), "to": str(last)}
        )
    return issues[first], issues[last]


def _known(name: str, origin: date, origins: Sequence[date]) -> date:
    if origin not in origins:
        newest = ", ".join(map(str, origins[-5:]))
        raise InvalidRequest(
            f"{name} {origin} is no origin of forecasts. The newest are: {newest}.",
            {name: str(origin)},
        )
    return origin


def _not_forecast(
    spec: PanelSpec, target: date | None, both: Sequence[date]
) -> InvalidRequest | NoForecasts:
    if not both:
        return NoForecasts("No period of these series was forecast from both origins.", {})
    name = spec.frequency.field
    return InvalidRequest(
        f"{name} {target} was not forecast from both origins: {both[0]} to {both[-1]} were.",
        {name: str(target)},
    )


def _parts(
    way: Sequence[IssueOnTheWay],
    sums: Mapping[int, Mapping[date, int]],
    targets: Collection[date],
) -> tuple[dict[str, int], list[str]]:
    """Return cause -> cents, and notes, of the way from its first issue to its last of `best`."""
    parts, notes = dict.fromkeys(CAUSES, 0), []
    # An issue that does not have all of the periods is passed over: it explains nothing of them.
    whole = [of for of in way if all(target in sums[of.id] for target in targets)]
    best = [of for of in whole if of.role == "best"]
    for before, after in pairwise(best):
        between = {of.role: of for of in whole if of.role != "best" and _beside(of, after, way)}
        told = after.changes or {}
        causes = [*told.get("causes", ())] or [NOT_SPLIT]
        if told.get("since") != before.id or any(of not in between for of in causes[:-1]):
            causes = [NOT_SPLIT]
            notes.append(_NOT_KEPT.format(first=before.origin, last=after.origin))
        notes += told.get("notes", ()) if told.get("since") == before.id else ()
        stood = _total(sums[before.id], targets)
        for cause in causes:
            of = after if cause == causes[-1] else between[cause]
            then = _total(sums[of.id], targets)
            parts[cause] += then - stood
            stood = then
    return parts, list(dict.fromkeys(notes))


def _beside(of: IssueOnTheWay, best: IssueOnTheWay, way: Sequence[IssueOnTheWay]) -> bool:
    """Say whether an issue was written together with one of the best model."""
    later = [other.id for other in way if other.role == "best" and other.id > best.id]
    return best.id < of.id < min(later, default=of.id + 1)


def _total(sums: Mapping[date, int], targets: Collection[date]) -> int:
    return sum(sums.get(target, 0) for target in targets)
