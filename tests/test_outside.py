"""Sources of the web: read in their own shapes, and what one could know then, and no more."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

import database_loader
from sales_forecast.data.connectors.description import Description
from sales_forecast.data.connectors.outside import with_outside
from sales_forecast.data.connectors.web import Web
from sales_forecast.data.database import Database
from sales_forecast.data.panel import Panel
from sales_forecast.errors import DataRefused
from sales_forecast.features.features import History, feature_names, features
from sales_forecast.models.pooled import fit_profile
from tests import two_keys
from tests.listening import listening

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
COMES_WITH_US = ("open_meteo_forecast", "open_meteo_archive", "calendarific")


@dataclass
class Server:
    """A server of this machine that answers what it is told to, and remembers what it was asked."""

    address: str = ""
    answer: Callable[[str, Mapping[str, str]], tuple[int, Any]] = lambda *_: (200, {})
    asked: list[Mapping[str, str]] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[Server]:
    told = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            words = {name: values[0] for name, values in parse_qs(parts.query).items()}
            told.asked.append(words)
            status, said = told.answer(parts.path, words)
            body = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if status == 429:
                self.send_header("Retry-After", "7")
            self.end_headers()
            self.wfile.write(body)

    with listening(Handler) as told.address:
        yield told


def days_of(words: Mapping[str, str]) -> list[date]:
    first, last = (date.fromisoformat(words[name]) for name in ("start_date", "end_date"))
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def open_meteo(path: str, words: Mapping[str, str]) -> tuple[int, Any]:
    """Answers in the shapes of Open-Meteo: a degree a day, ten more for each degree of latitude."""
    days = days_of(words)
    base = 10 * float(words["latitude"])
    head = {
        "latitude": float(words["latitude"]), "longitude": float(words["longitude"]),
        "generationtime_ms": 0.03, "utc_offset_seconds": 0, "timezone": "GMT",
        "timezone_abbreviation": "GMT", "elevation": 38.0,
    }  # fmt: skip
    if path == "/v1/archive":
        known = [base + day.day if day < NOW.date() - timedelta(days=5) else None for day in days]
        daily = {"time": [*map(str, days)], "temperature_2m_mean": known}
        units = {"time": "iso8601", "temperature_2m_mean": "°C"}
        return 200, {**head, "daily_units": units, "daily": daily}
    hours = [(day, hour) for day in days for hour in range(24)]
    hourly = {
        "time": [f"{day}T{hour:02}:00" for day, hour in hours],
        "temperature_2m_previous_day7": [base + day.day + hour / 24 for day, hour in hours],
    }
    return 200, {**head, "hourly_units": {"time": "iso8601"}, "hourly": hourly}


def calendarific(_: str, words: Mapping[str, str]) -> tuple[int, Any]:
    year = int(words["year"])

    def holiday(name: str, month: int, day: int) -> dict[str, object]:
        when = {"iso": f"{year}-{month:02}-{day:02}T00:00:00+01:00" if day == 3 else
                f"{year}-{month:02}-{day:02}",
                "datetime": {"year": year, "month": month, "day": day}}  # fmt: skip
        return {
            "name": name, "description": "", "country": {"id": "de", "name": "Germany"},
            "date": when, "type": ["National holiday"], "primary_type": "National holiday",
            "locations": "All", "states": "All",
        }  # fmt: skip

    found = [holiday("Neujahr", 1, 1), holiday("Tag der Einheit", 10, 3), holiday("W", 12, 25)]
    return 200, {"meta": {"code": 200}, "response": {"holidays": found}}


def ours(name: str, server: Server) -> Description:
    """A description that comes with us, with the server of this machine in place of the real."""
    described = Description.read(name, Path())
    parts = urlsplit(described.url)
    address = described.url.replace(f"{parts.scheme}://{parts.netloc}", server.address)
    return described.model_copy(update={"url": address})


def shops(n_weeks: int = 12, first: str = "2026-01-02") -> Panel:
    panel = two_keys.panel(n_weeks, first=first)
    place = np.array([1.5] * 6 + [2.0] * 3)
    traits = {"latitude": place, "longitude": place, "country": np.array(["DE"] * 9)}
    return replace(panel, traits=traits, spec=two_keys.SPEC)


@pytest.fixture
def web(tmp_path: Path) -> Web:
    pauses: list[float] = []
    made = Web(tmp_path / "sources", {"calendarific": "geheim"}, pauses.append, lambda: NOW)
    made.pauses = pauses  # type: ignore[attr-defined]
    return made


def test_the_archive_is_known_afterwards_and_a_week_is_the_mean_of_its_days(
    server: Server, web: Web
) -> None:
    server.answer = open_meteo
    panel = with_outside(shops(9), [ours("open_meteo_archive", server)], web)
    found = panel.conditions["temperature_observed"]
    of_week = [date(2026, 1, 3 + n).day for n in range(7)]  # the week that ends on 9 January
    assert found[0, 1] == pytest.approx(15 + np.mean(of_week))
    assert found[8, 1] == pytest.approx(20 + np.mean(of_week))
    assert np.isnan(found[:, -1]).all()  # five days late: the last week is not whole
    assert 2 == len(server.asked)  # a place each, and not a series
    (note,) = panel.notes
    assert note == (
        "temperature_observed: from Open-Meteo, archive (CC BY 4.0, open-meteo.com), fetched "
        "2026-03-02, known afterwards, there for 88.9% of the past."
    )
    assert panel.spec is not None
    assert "temperature_observed" in [of.name for of in panel.spec.past]


def test_a_forecast_is_what_was_said_seven_days_before_and_known_one_week_ahead(
    server: Server, web: Web
) -> None:
    server.answer = open_meteo
    panel = with_outside(shops(9), [ours("open_meteo_forecast", server)], web)
    plan = panel.plan["temperature_forecast"]
    assert (9, 9 + 1) == plan.shape
    assert not np.isnan(plan).any()
    assert {"temperature_forecast": 1} == panel.spec.leads  # type: ignore[union-attr]
    then = panel.until(panel.periods[4])
    assert (9, 5 + 1) == then.plan["temperature_forecast"].shape


def test_a_feature_of_a_later_step_does_not_know_a_forecast_that_was_not_made_yet(
    server: Server, web: Web
) -> None:
    server.answer = open_meteo
    panel = with_outside(shops(70, "2024-11-01"), [ours("open_meteo_forecast", server)], web)
    place = feature_names(panel).index("temperature_forecast_change")
    history = History(panel, fit_profile(panel))
    series, origin = np.array([0, 0]), np.array([60, 60])
    target = origin + np.array([1, 2])
    one, two = features(history, series, origin, target)[:, place]
    assert one != 0
    assert 0 == two
    # And seen from then it is the same.
    past = panel.until(panel.periods[60])
    then = features(History(past, fit_profile(panel)), series, origin, target)[:, place]
    assert [one, two] == then.tolist()


def test_holidays_are_counted_by_their_dates_and_known_for_years_ahead(
    server: Server, web: Web
) -> None:
    server.answer = calendarific
    panel = with_outside(shops(), [ours("calendarific", server)], web)
    plan = panel.plan["national_holidays"]
    ends = panel.periods[0] + 7 * np.arange(plan.shape[1])
    holidays = ends[plan[0] > 0].astype(str).tolist()
    assert ["2026-01-02", "2026-10-09", "2026-12-25", "2027-01-01"] == holidays[:4]
    assert "geheim" == server.asked[0]["api_key"]
    assert {"2025", "2026", "2027", "2028"} == {words["year"] for words in server.asked}
    assert "geheim" not in "".join([*panel.notes, *map(str, web.kept.iterdir())])
    assert not any("geheim" in file.read_text() for file in web.kept.iterdir())


def test_what_was_answered_is_not_asked_again_and_what_may_change_after_a_while(
    server: Server, web: Web
) -> None:
    server.answer = open_meteo
    source = ours("open_meteo_archive", server)
    old, new = shops(4, "2025-01-03"), shops(8)
    first = [with_outside(panel, [source], web) for panel in (old, new)]
    asked = len(server.asked)
    second = [with_outside(panel, [source], web) for panel in (old, new)]
    assert asked == len(server.asked)
    assert [panel.fingerprint for panel in first] == [panel.fingerprint for panel in second]
    web.now = lambda: NOW + timedelta(hours=13)
    with_outside(old, [source], web)
    assert asked == len(server.asked)
    with_outside(new, [source], web)
    assert asked + 2 == len(server.asked)


def test_a_busy_source_is_asked_again_as_late_as_it_says_and_never_too_often(
    server: Server, web: Web
) -> None:
    def busy_once(path: str, words: Mapping[str, str]) -> tuple[int, Any]:
        return (429, {}) if len(server.asked) == 1 else open_meteo(path, words)

    server.answer = busy_once
    panel = with_outside(shops(8), [ours("open_meteo_archive", server)], web)
    assert not np.isnan(panel.conditions["temperature_observed"][:, :6]).any()
    pauses = web.pauses  # type: ignore[attr-defined]
    assert 7.0 in pauses
    assert sum(0.9 < pause <= 1.0 for pause in pauses) >= 1  # sixty a minute


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((500, {}), "it answers 500"),
        ((400, {"error": True, "reason": "no such variable"}), "it answers 400"),
        ((200, b"<html>"), "its answer is no JSON"),
        ((200, {"daily": {}}), "its answer has no daily.time[]"),
        (
            (200, {"daily": {"time": ["2026-01-02"], "temperature_2m_mean": []}}),
            "it has not one value for each date",
        ),
        (
            (200, {"daily": {"time": ["then"], "temperature_2m_mean": [1]}}),
            "it says 1 of 'then'",
        ),
    ],
)
def test_a_source_that_fails_leaves_its_covariate_unknown_and_says_so(
    server: Server, web: Web, answer: tuple[int, Any], reason: str
) -> None:
    server.answer = lambda *_: answer
    panel = with_outside(shops(), [ours("open_meteo_archive", server)], web)
    assert np.isnan(panel.conditions["temperature_observed"]).all()
    assert [
        f"Open-Meteo, archive failed: {reason}; temperature_observed is unknown there."
    ] == [*panel.notes]  # fmt: skip
    assert len(server.asked) == (6 if answer[0] == 500 or answer[1] == b"<html>" else 2)


def test_a_source_that_fails_now_is_taken_at_what_it_said_before(server: Server, web: Web) -> None:
    server.answer = open_meteo
    source = ours("open_meteo_archive", server)
    before = with_outside(shops(8), [source], web)
    server.answer = lambda *_: (503, {})
    web.now = lambda: NOW + timedelta(days=1)
    assert before.fingerprint == with_outside(shops(8), [source], web).fingerprint


def test_without_its_key_a_source_is_not_asked(server: Server, tmp_path: Path) -> None:
    panel = with_outside(shops(), [ours("calendarific", server)], Web(tmp_path, {}))
    assert [] == server.asked
    assert "SOURCE_KEYS has none of the name calendarific" in panel.notes[0]


def test_what_cannot_be_asked_for_is_refused(server: Server, web: Web) -> None:
    source = ours("open_meteo_archive", server)
    with pytest.raises(DataRefused, match="it asks by latitude, which is no trait of the series"):
        with_outside(two_keys.panel(), [source], web)
    taken = source.model_copy(update={"values": {"country": "daily.x[]"}})
    with pytest.raises(DataRefused, match="the sales have a column country of their own"):
        with_outside(shops(), [taken], web)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "describes no source: name is required"),
        ("name = 1 2", "is not TOML"),
        ("kind = 3", "is required"),
    ],
)
def test_a_description_that_makes_no_sense_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(DataRefused, match=said):
        Description.read("mine.toml", tmp_path)
    (tmp_path / "mine.toml").write_bytes("# für uns".encode("latin-1"))
    with pytest.raises(DataRefused, match=r"mine\.toml: is not text in UTF-8; save it as UTF-8$"):
        Description.read("mine.toml", tmp_path)
    with pytest.raises(DataRefused, match=r"cannot be read: No such .* us: calendarific, open_"):
        Description.read("none", tmp_path)


@pytest.mark.parametrize("name", COMES_WITH_US)
def test_what_comes_with_us_asks_for_nothing_unknown(name: str) -> None:
    described = Description.read(name, Path())
    assert described.url.startswith("https://")
    assert described.licence


LAYOUT = """
series = ["shop"]
date = "day"
target = "sold"
traits = ["lat"]
sources = ["mine.toml"]
"""
MINE = """
name = "mine"
licence = "none"
url = "{address}/v1/archive?latitude={{lat}}&longitude=0&start_date={{first}}&end_date={{last}}"
dates = "daily.time[]"
known = "afterwards"
a_minute = 6000
[places]
lat = "lat"
[values]
warm = "daily.temperature_2m_mean[]"
"""


def test_a_layout_that_names_a_source_loads_what_it_says(
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server.answer = open_meteo
    monkeypatch.setenv("VAR_DIR", str(tmp_path / "var"))
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/sales.db")
    (tmp_path / "my.toml").write_text(LAYOUT)
    (tmp_path / "mine.toml").write_text(MINE.format(address=server.address))
    ends = [date(2025, 1, 3) + timedelta(weeks=n) for n in range(5)]
    lines = [f"{day},a,1.5,{100 + n}" for n, day in enumerate(ends)]
    (tmp_path / "sales.csv").write_text("\n".join(["day,shop,lat,sold", *lines]))
    words = ["--layout", str(tmp_path / "my.toml"), "--csv", str(tmp_path / "sales.csv")]
    assert 0 == database_loader.main(words)
    assert "warm: from mine (none), fetched " in capsys.readouterr().out
    with closing(Database(f"sqlite:///{tmp_path}/sales.db")) as database:
        stored = database.read_panel()
    assert not np.isnan(stored.conditions["warm"]).any()
    assert stored.conditions["warm"][0, 1] == pytest.approx(15 + np.mean(range(4, 11)))
