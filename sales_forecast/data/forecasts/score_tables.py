"""The table of judged forecasts, as the newest revision of the migrations makes it.

Gives the columns that are read and written. Must not read or write rows.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

COUNTS = ("n", "n_intervals_80", "inside_80", "n_intervals_95", "inside_95")
SUMS = (
    *COUNTS,
    "sold",
    "abs_sold",
    "forecast",
    "abs_error",
    "weight",
    "weighted_abs_error",
    "compared_abs_error",
    "baseline_abs_error",
    "pinball",
    "pinball_sold",
)
"""Columns that can be added up, over periods, steps or models."""
ALL = "all"
"""The slice, and its value, that has every forecast."""

_COLUMNS: tuple[sa.Column[Any], ...] = (
    *(
        sa.Column(name, sa.String, primary_key=True)
        for name in ("level", "slice", "slice_value", "role")
    ),
    sa.Column("target", sa.Date, primary_key=True),
    sa.Column("step", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("issue_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("revision", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("origin", sa.Date),
    *(sa.Column(name, sa.String) for name in ("model", "model_version", "facts")),
    sa.Column("judged_at", sa.DateTime(timezone=True)),
    *(sa.Column(name, sa.Integer if name in COUNTS else sa.Double) for name in SUMS),
)
SCORES_REALISED = sa.Table("scores_realised", sa.MetaData(), *_COLUMNS)
"""Every judgement that was ever passed."""
SCORES_NEWEST = SCORES_REALISED.to_metadata(sa.MetaData(), name="scores_newest")
"""The view of those that count: of the newest issue of an origin, by the newest sales."""
