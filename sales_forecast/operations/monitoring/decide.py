"""What is to be done about the champion: nothing, measure its intervals anew, or train.

Takes what is known of it, gives a decision with its reasons. Must not know where that came from,
and does nothing itself. Why so: docs/monitoring.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from statistics import mean
from typing import Final, Literal

from sales_forecast.data.alarms import Alarm
from sales_forecast.data.frequency import DAYS_PER_PERIOD

Action = Literal["nothing", "recalibrate_intervals", "retrain"]

CALENDAR_WEEKS: Final = 8
"""A champion that has not seen so many weeks is trained anew, whatever the rules say."""
COOLDOWN_WEEKS: Final = 4
"""So many new weeks an alarm waits for: a training more often gained nothing."""
DAYS_BETWEEN: Final = DAYS_PER_PERIOD
"""At most one training in so many days, whatever became of it."""
_GAINS = 3
"""Of so many trainings before the gain is expected once more."""


@dataclass(frozen=True)
class Situation:
    """What is known of the champion.

    Attributes:
        today: the day of the decision.
        newest: the last week with sales.
        trained_until: the last week that the champion has seen.
        trained_on: the day of the last training, whatever became of it.
        alarms: about this very champion.
        confirmed: those of chain and groups that the two weeks after them bear out.
        refuted: those that they do not.
        gains: by what share each training before lowered WAPE, newest last.
        judged_weeks: how many weeks of errors the rules have judged.
        notes: what is missing, in sentences.
        inputs: what is unusual about covariates, in sentences.
    """

    today: date
    newest: date
    trained_until: date
    trained_on: date
    alarms: Sequence[Alarm] = ()
    confirmed: Sequence[Alarm] = ()
    refuted: Sequence[Alarm] = ()
    gains: Sequence[float] = ()
    judged_weeks: int = 0
    notes: Sequence[str] = ()
    inputs: Sequence[str] = ()

    @property
    def new_weeks(self) -> int:
        """How many whole weeks the champion has not seen."""
        return max((self.newest - self.trained_until).days // DAYS_PER_PERIOD, 0)


@dataclass(frozen=True)
class Decision:
    """What is to be done, and why; `expected_wape_gain` is a share, None where none is known."""

    action: Action
    reasons: tuple[str, ...]
    evidence: Mapping[str, object] = field(default_factory=dict)
    expected_wape_gain: float | None = None


def decide(of: Situation) -> Decision:
    """Return what is to be done.

    A training needs a reason (the calendar, or a confirmed alarm of chain or group), new weeks, and
    no training in the days before. A lone series never is one. To recalibrate takes a training too,
    and waits for the days alone.
    """
    by_calendar = of.new_weeks >= CALENDAR_WEEKS
    wanted = [_calendar(of)] if by_calendar else [*map(_confirmed, of.confirmed)]
    coverage = [alarm for alarm in of.alarms if alarm.rule == "coverage"]
    soon = _too_soon(of) if wanted or coverage else []
    little = _too_little_new(of) if wanted and not by_calendar else []
    action: Action = "nothing"
    if wanted and not soon and not little:
        action = "retrain"
    elif coverage and not soon:
        action = "recalibrate_intervals"
    reasons = [*wanted, *soon, *little, *(alarm.message for alarm in coverage), *_waiting(of)]
    if not by_calendar:
        reasons.append(_calendar(of))
    return Decision(
        action,
        (*reasons, *of.notes, *_explained(of)),
        _evidence(of),
        mean(of.gains[-_GAINS:]) if action == "retrain" and of.gains else None,
    )


def _calendar(of: Situation) -> str:
    new = "1 week is" if of.new_weeks == 1 else f"{of.new_weeks} weeks are"
    return (
        f"The champion has seen sales until {of.trained_until}; {new} new, and "
        f"{CALENDAR_WEEKS} are a reason to train."
    )


def _confirmed(alarm: Alarm) -> str:
    return f"{alarm.message} The two weeks after it say the same."


def _too_soon(of: Situation) -> list[str]:
    if (of.today - of.trained_on).days >= DAYS_BETWEEN:
        return []
    return [f"The last training was on {of.trained_on}: at most one in {DAYS_BETWEEN} days."]


def _too_little_new(of: Situation) -> list[str]:
    if of.new_weeks >= COOLDOWN_WEEKS:
        return []
    needed = f"{COOLDOWN_WEEKS} weeks that the champion has not seen"
    return [f"A training needs {needed}; there are {of.new_weeks}."]


def _waiting(of: Situation) -> list[str]:
    settled = {*of.confirmed, *of.refuted}
    told = [f"{alarm.message} The weeks after it say otherwise: it passed." for alarm in of.refuted]
    for alarm in of.alarms:
        if alarm.rule == "series":
            told.append(f"{alarm.message} A lone series is no reason to train.")
        elif alarm.rule in {"chain", "group"} and alarm not in settled:
            told.append(f"{alarm.message} Two more weeks must confirm it.")
    return told


def _explained(of: Situation) -> Sequence[str]:
    """Return what inputs say to alarms; by themselves they differ in most weeks.

    A lone series is measured against the others, who had the same weeks.
    """
    return of.inputs if any(alarm.rule != "series" for alarm in of.alarms) else ()


def _evidence(of: Situation) -> dict[str, object]:
    return {
        "newest_week": str(of.newest),
        "trained_until": str(of.trained_until),
        "trained_on": str(of.trained_on),
        "new_weeks": of.new_weeks,
        "judged_weeks": of.judged_weeks,
        "alarms": [alarm.as_json() for alarm in of.alarms],
        "confirmed": len(of.confirmed),
        "gains": [*of.gains[-_GAINS:]],
    }
