"""The other side of `benchmarks.arima`: statsforecast, in an environment of its own.

Reads one JSON object a line, {"model", "y", "horizon"}, and answers each with {"forecast",
"seconds"}. Must not import the project: its libraries are not there.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from typing import Any

import numpy as np
from statsforecast.models import MSTL, AutoARIMA  # type: ignore[import-not-found]

_YEAR = 52
MODELS: dict[str, Any] = {
    "plain": AutoARIMA(),
    "seasonal": AutoARIMA(season_length=_YEAR),
    "mstl": MSTL(season_length=_YEAR, trend_forecaster=AutoARIMA()),
}


def main() -> None:
    warnings.simplefilter("ignore")  # theirs, of series that are hard to fit
    for line in sys.stdin:
        asked = json.loads(line)
        model, horizon = MODELS[asked["model"]], asked["horizon"]
        series = [np.array(values) for values in asked["y"]]
        begin = time.perf_counter()
        forecast = [model.forecast(y=values, h=horizon)["mean"].tolist() for values in series]
        answer = {"forecast": forecast, "seconds": time.perf_counter() - begin}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
