"""What callers are told of plans: overrides, what became of them, and why a plan changed.

Takes values of planning, gives objects for JSON, keys by the names that callers use. Must not read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sales_forecast.data.forecasts.override_tables import Override, Scope
from sales_forecast.data.spec import PanelSpec
from sales_forecast.planning.change import Change
from sales_forecast.planning.states import State
from sales_forecast.planning.value_added import Grouping, Record
from sales_forecast.planning.wishes import Made


def made_told(
    spec: PanelSpec, made: Made, record: Mapping[Grouping, Record], advice: Sequence[str]
) -> dict[str, object]:
    """Return an override that was made, with the record of such ones and advice."""
    return {
        **override_told(spec, made.override),
        "periods": [
            {
                "target": of.target,
                "sales": of.baseline,
                "before": of.before,
                "planned": of.after,
                "lower_80": of.lower,
                "upper_80": of.upper,
                "inside_80": of.inside_80,
            }
            for of in made.cells
        ],
        "record": {
            grouping: {"n": of.n, "helped": of.helped, "value_added": of.value_added}
            for grouping, of in record.items()
        },
        "advice": advice,
        "version": made.version,
    }


def change_told(spec: PanelSpec, scope: Scope, found: Change) -> dict[str, object]:
    """Return why a plan changed."""
    return {
        "keys": keys_told(spec, scope),
        "from": found.start,
        "to": found.end,
        "first": found.targets[0],
        "last": found.targets[-1],
        "before": found.before / 100,
        "after": found.after / 100,
        "difference": (found.after - found.before) / 100,
        "parts": [{"cause": name, "amount": cents / 100} for name, cents in found.parts.items()],
        "notes": found.notes,
    }


def override_told(spec: PanelSpec, of: Override) -> dict[str, object]:
    """Return a row as callers are told of it."""
    return {
        "id": of.id,
        "keys": keys_told(spec, of.scope),
        "first": of.first,
        "last": of.last,
        "kind": of.kind,
        "number": of.amount,
        "reason": of.reason,
        "note": of.note,
        "made_by": of.made_by,
        "made_at": of.made_at,
        "undoes": of.undoes,
    }


def keys_told(spec: PanelSpec, scope: Mapping[str, str]) -> dict[str, int | str]:
    """Return keys by the names that callers use, numbers as numbers."""
    told: dict[str, int | str] = {}
    for place, key in enumerate(spec.keys):
        text = scope.get(f"k{place + 1}")
        if text is not None:
            told[key.field] = int(text) if key.kind == "number" else text
    return told


def state_told(spec: PanelSpec, of: State) -> dict[str, object]:
    """Return an override and what has become of it."""
    undone = of.undone
    return {
        **override_told(spec, of.override),
        "undone": None
        if undone is None
        else {"id": undone.id, "made_by": undone.made_by, "made_at": undone.made_at},
        "expired": of.expired,
        "baseline_contains": of.contained,
        "periods": [
            {
                "target": cell.target,
                "sales": cell.baseline / 100,
                "before": cell.before / 100,
                "planned": cell.after / 100,
            }
            for cell in of.cells
        ],
    }
