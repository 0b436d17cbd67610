"""What the weekly job found out, as it was last read: how good forecasts were, and which steps ran.

Takes a database, gives what `/metrics` tells. Read beside the look for new models, never in a
request. Must not know HTTP.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime

from sales_forecast.data.forecasts.stored_scores import StoredScores
from sales_forecast.data.frequency import Frequency
from sales_forecast.data.monitor_steps import MonitorSteps
from sales_forecast.errors import SalesForecastError
from sales_forecast.evaluation.error_sums import Measures
from sales_forecast.evaluation.realised import newest

logger = logging.getLogger(__name__)


class Watched:
    """What is known of the weekly job.

    Attributes:
        realised: periods ahead -> how good forecasts of single series were over the newest 13
            weeks; empty while nothing is judged.
        succeeded: step of the weekly job -> when it last came to its end.
    """

    def __init__(self, url: str) -> None:
        """Take a URL as in the setting DATABASE_URL. Raises SettingsError for another form."""
        self._scores = StoredScores(url)
        self._steps = MonitorSteps(url)
        self.realised: Mapping[int, Measures] = {}
        self.succeeded: Mapping[str, datetime] = {}

    def read(self, frequency: Frequency | None) -> None:
        """Read once; `frequency` is None while nothing is served.

        Raises nothing: what was read before stays.
        """
        try:
            self.succeeded = self._steps.newest()
            if frequency is not None:
                self.realised = newest(self._scores, frequency)
        except SalesForecastError:
            return  # the look for a new model says why
        except Exception:  # whatever it is, the thread that reads must live and read again
            logger.exception("Reading what the weekly job found out failed.")

    def close(self) -> None:
        """Close the idle connections."""
        self._scores.close()
        self._steps.close()
