"""From the state of a fitted model back to the model.

Takes what `state` gave, or what a bundle kept of it, and the trees beside it. What two models share
(a calendar, a member) is one object again. Must not know files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from sales_forecast.errors import OlderBundle
from sales_forecast.features.calendar_effects import (
    CalendarProfile,
    PooledProcess,
    Process,
    Profile,
    State,
)
from sales_forecast.features.plan_effects import PlanEffects, PlannedProcess, PlannedProfile
from sales_forecast.features.pools import ProcessByPool, ProfileByPool
from sales_forecast.models.averages import AVERAGES
from sales_forecast.models.base import Storable
from sales_forecast.models.fitted.blends import FittedEnsemble, FittedMean
from sales_forecast.models.fitted.damped_trend import FittedEts
from sales_forecast.models.fitted.pooled import FittedPooled
from sales_forecast.models.fitted.regressor import FittedRegressor, Line, Predicts
from sales_forecast.models.fitted.smoothing import FittedArima
from sales_forecast.models.naive import BASELINES
from sales_forecast.models.plan_profile import PlanProfile
from sales_forecast.models.regression import DailyProcess

_RULES = {rule.name: rule for rule in (*BASELINES, *AVERAGES)}


class Restored:
    """Models of one bundle: states go in, models come out, equal states once.

    `trees`: name of a model -> its regressor.
    """

    def __init__(self, trees: Callable[[str], Predicts]) -> None:
        self._trees = trees
        self._known: dict[tuple[str, int], Any] = {}

    def model(self, state: State) -> Storable:
        """Return the model of a state. Raises OlderBundle for one that this code cannot read."""
        found: Storable = self._once("model", state, self._model)
        return found

    def _once(self, what: str, state: State, restore: Callable[[State], Any]) -> Any:
        key = (what, id(state))
        if key not in self._known:
            try:
                self._known[key] = restore(state)
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                raise OlderBundle(
                    f"The {what} of the bundle cannot be read by this release ({error}). "
                    "Run `python train.py`."
                ) from error
        return self._known[key]

    def _model(self, state: State) -> Storable:
        kinds: Mapping[str, Callable[[State], Storable]] = {
            "baseline": lambda of: _RULES[of["rule"]],
            "pooled": lambda of: FittedPooled(self._process(of["process"])),
            "mean": lambda of: FittedMean(self._members(of)),
            "ensemble": lambda of: FittedEnsemble(self._members(of), of["weights"]),
            "arima": lambda of: FittedArima.restore(of, self._profile(of["profile"])),
            "ets": lambda of: FittedEts.restore(of, self._profile(of["profile"])),
            "regressor": self._regressor,
        }
        return kinds[state["kind"]](state)

    def _members(self, state: State) -> Mapping[str, Storable]:
        return {name: self.model(of) for name, of in state["members"].items()}

    def _regressor(self, state: State) -> FittedRegressor:
        line = state["regressor"]
        regressor = Line.restore(line) if line else self._trees(state["name"])
        drawn_to = state["smoothing"]
        smoothing = cast("FittedArima", self.model(drawn_to)) if drawn_to else None
        profile = self._profile(state["profile"])
        return FittedRegressor.restore(state, regressor, profile, smoothing)

    def _process(self, state: State) -> Process:
        kinds: Mapping[str, Callable[[State], Process]] = {
            "weeks": PooledProcess.restore,
            "days": DailyProcess.restore,
            "planned": lambda of: PlannedProcess(
                self._process(of["process"]), PlanEffects.restore(of)
            ),
            "pools": lambda of: ProcessByPool(
                {label: self._process(pool) for label, pool in of["pools"].items()}
            ),
        }
        found: Process = self._once("process", state, kinds[state["kind"]])
        return found

    def _profile(self, state: State) -> Profile:
        kinds: Mapping[str, Callable[[State], Profile]] = {
            "weeks": lambda of: CalendarProfile.restore(
                of, cast("PooledProcess", self._process(of["process"]))
            ),
            "days": PlanProfile.restore,
            "planned": lambda of: PlannedProfile(
                self._profile(of["profile"]), PlanEffects.restore(of)
            ),
            "pools": lambda of: ProfileByPool(
                {label: self._profile(pool) for label, pool in of["pools"].items()}
            ),
        }
        found: Profile = self._once("profile", state, kinds[state["kind"]])
        return found
