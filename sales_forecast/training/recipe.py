"""What a training of a panel does: which windows, which models, and by which data it is known.

Takes a panel and what was chosen, gives protocols and forecasters, or says why that cannot be.
Fits nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sales_forecast.data.panel import Panel
from sales_forecast.data.rows import STORES
from sales_forecast.errors import SettingsError
from sales_forecast.evaluation.protocols import LARGE_PANEL, RollingOrigin, protocols_of
from sales_forecast.models.arima import ARIMA
from sales_forecast.models.base import Forecaster
from sales_forecast.models.catalogue import roster
from sales_forecast.models.trees import TREES
from sales_forecast.params import DEFAULTS, Params


@dataclass(frozen=True)
class Recipe:
    """Protocol name -> protocol, and the forecasters that are tried."""

    protocols: Mapping[str, RollingOrigin]
    forecasters: tuple[Forecaster, ...]
    params: Params

    @classmethod
    def of(cls, panel: Panel, params: Params = DEFAULTS) -> Recipe:
        """Return that of a panel. Raises SettingsError for models that cannot be, or must be."""
        stores = is_stores(panel)
        large = panel.n_series >= LARGE_PANEL and not stores
        forecasters = roster(params, large=large)
        named = {forecaster.name for forecaster in forecasters}
        needed = [ARIMA.name, *(tree.name for tree in TREES if stores)]
        if missing := [name for name in needed if name not in named]:
            kind = "many_series" if large else "usual"
            raise SettingsError(
                f"params.yaml: models.{kind} must name {' and '.join(missing)}: callers may ask "
                "for what they answer."
            )
        return cls(protocols_of(panel, params), forecasters, params)


def is_stores(panel: Panel) -> bool:
    """Tell weekly stores, of which callers expect certain models, from all other panels."""
    return panel.spec is None or panel.spec.layout == STORES.layout
