"""How good all forecasts of one period were: on series, and on sums of them.

Takes what issues said of a period and slices of the panel, gives scores. Of single series the
median is judged; of sums the mean, which alone adds up, with the quantiles that `GET /forecast`
answers. Must not read or write.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from sales_forecast.bundles.manifest import SUMS_AS_JSON
from sales_forecast.data.forecast_tables import QUANTILES
from sales_forecast.data.forecasts.realised_scores import JudgedIssue, Said, Score
from sales_forecast.data.forecasts.score_tables import SUMS
from sales_forecast.data.panel import Array, Panel
from sales_forecast.evaluation.error_sums import Sums, error_sums
from sales_forecast.evaluation.metrics import HOLIDAY_WEIGHT, Distribution, weights
from sales_forecast.models.asked import Index
from sales_forecast.models.spread import Spread
from sales_forecast.operations.slices import Slice, stores
from sales_forecast.prediction.sums import level_name, quantiles_of


@dataclass(frozen=True)
class Spreads:
    """What was measured on sums, of each issue that was asked for."""

    of_issue: dict[int, Mapping[str, Spread]] = field(default_factory=dict)

    def of(self, issue: JudgedIssue, keys: Sequence[int]) -> Spread | None:
        """Return that of the sums over all but these places of keys; None without any."""
        if issue.id not in self.of_issue:
            measured = SUMS_AS_JSON.validate_json(issue.sums)
            self.of_issue[issue.id] = {name: of.spread() for name, of in measured.items()}
        return self.of_issue[issue.id].get(level_name(keys))


def scores_of(
    panel: Panel, column: int, said: Said, slices: Iterable[Slice], spreads: Spreads
) -> Iterator[Score]:
    """Yield the scores of one period; those of no forecast are left out."""
    period = _Period.of(panel, column, said)
    errors, of_stores = period.errors(), stores(panel)
    chain = ("",), np.zeros(panel.n_series, dtype=np.intp)
    for of in slices:
        yield from _scores(said, "series", of, _added(errors, of))
        if of.summed and of_stores is not None and of.name != "group":
            summed = period.summed_errors(of, *of_stores, (0,), spreads)
            yield from _scores(said, "store", of, summed)
        if of.summed:
            yield from _scores(said, "chain", of, period.summed_errors(of, *chain, (), spreads))


def _scores(said: Said, level: str, of: Slice, sums: Sums) -> Iterator[Score]:
    cells = np.stack([sums[name] for name in SUMS], axis=-1)
    for issue, part in np.argwhere(sums["n"] > 0).tolist():
        values = dict(zip(SUMS, cells[issue, part].tolist(), strict=True))
        yield Score(said.issues[issue], level, of.name, of.labels[part], values)


def _added(errors: Sums, of: Slice) -> Sums:
    """Return the sums over the series of each part, float64[n_issues, n_labels]."""
    shape = errors["n"].shape
    place = np.broadcast_to(of.place, shape)
    inside = place >= 0
    cell = np.arange(shape[0])[:, None] * len(of.labels) + place
    return {
        name: _sums(cell[inside], of_row[inside], (shape[0], len(of.labels)))
        for name, of_row in errors.items()
    }


def _sums(cell: Index, values: npt.NDArray[np.generic], shape: tuple[int, ...]) -> Array:
    n = int(np.prod(shape))
    return np.bincount(cell, values.astype(np.float64), n).astype(np.float64).reshape(shape)


@dataclass(frozen=True, eq=False)
class _Period:
    """What was sold in one period and said of it, float64[n_issues, n_series] each.

    `baseline`: the place of the baseline's issue beside each issue, -1 without any.
    """

    said: Said
    y: Array
    flags: npt.NDArray[np.bool_]
    holiday_weight: float
    baseline: Sequence[int]

    @classmethod
    def of(cls, panel: Panel, column: int, said: Said) -> _Period:
        shape = len(said.issues), panel.n_series
        return cls(
            said,
            np.broadcast_to(panel.y[:, column], shape),
            np.broadcast_to(panel.holidays[:, column] > 0, shape),
            panel.spec.holiday_weight if panel.spec else HOLIDAY_WEIGHT,
            [_beside(issue, said.issues) for issue in said.issues],
        )

    def errors(self) -> Sums:
        """Return what each forecast of a series adds."""
        said = self.said.values
        # Rows that were issued before there were quantiles have no median.
        median = np.where(np.isnan(said["q50"]), said["sales"], said["q50"])
        at = {tau: said[column] for column, tau in QUANTILES.items()}
        beside = Distribution(said["sales"], at)
        return error_sums(self.y, median, beside, self._baseline(median), self._weights(self.flags))

    def summed_errors(
        self,
        of: Slice,
        labels: Sequence[str],
        place: Index,
        keys: tuple[int, ...],
        spreads: Spreads,
    ) -> Sums:
        """Return the errors of sums, added up, float64[n_issues, n_parts of the slice].

        Sums are over what has one `place` of `labels` and is in one part, of series that were both
        forecast and sold. `keys`: the places of keys that `labels` are the values of.
        """
        mean = self.said.values["sales"]
        known = ~np.isnan(self.y) & ~np.isnan(mean)
        shape = len(self.said.issues), len(labels), len(of.labels)
        cell = (np.arange(shape[0])[:, None] * shape[1] + place) * shape[2] + of.place

        def summed(values: npt.NDArray[np.generic]) -> Array:
            return _sums(cell[known], values[known], shape)

        some = summed(known) > 0
        sold, expected, baseline = (
            np.where(some, summed(values), np.nan)
            for values in (self.y, mean, self._baseline(mean))
        )
        at = np.full((*shape, len(QUANTILES)), np.nan)
        if of.keys is not None:
            parts = [(label,) if of.keys else () for label in of.labels]
            values = [(*([label] if keys else []), *part) for label in labels for part in parts]
            for number, issue in enumerate(self.said.issues):
                spread = spreads.of(issue, (*keys, *of.keys))
                if spread is not None:
                    steps, sales = [issue.step] * len(values), expected[number].ravel()
                    found = quantiles_of(spread, values, steps, sales, [*QUANTILES.values()])
                    at[number] = found.reshape(at[number].shape)
        quantiles = dict(zip(QUANTILES.values(), np.moveaxis(at, -1, 0), strict=True))
        weight = self._weights(summed(self.flags) > 0)
        sums = error_sums(sold, expected, Distribution(expected, quantiles), baseline, weight)
        return {name: values.sum(axis=1) for name, values in sums.items()}

    def _baseline(self, values: Array) -> Array:
        """Return what the baseline beside each issue said, NaN without any."""
        place = np.array(self.baseline)
        return np.where(place[:, None] >= 0, values[place], np.nan)

    def _weights(self, flags: npt.NDArray[np.bool_]) -> Array:
        return weights(flags.astype(np.float64), self.holiday_weight)


def _beside(issue: JudgedIssue, issues: Sequence[JudgedIssue]) -> int:
    """Return the place of the baseline's issue of the same origin that was issued with this one."""
    apart = {
        abs(other.id - issue.id): place
        for place, other in enumerate(issues)
        if other.role == "baseline" and other.origin == issue.origin
    }
    return apart[min(apart)] if apart else -1
