"""People who click at random, and twenty planners at once: nothing fails, is lost or doubled.

`CLICKS=2000` clicks for as long as an hour of people would.
"""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from threading import Barrier
from typing import Any

import httpx
import pytest

from sales_forecast.service.app import create_app
from sales_forecast.service.live import Live
from sales_forecast.web.pages import Pages
from tests.web.browser import served
from tests.web.world import World, of_ones_own

CLICKS = int(os.environ.get("CLICKS", "60"))
PEOPLE = {"ada": "planner", "bob": "planner", "carl": "admin", "vera": "viewer"}
TEXTS = ("", "1", "2", "3", "7", "99", "-5", "1,5", "12.25", "x", "größer", "'; --", "<b>", "=1+1")
PLACES = ("/", "/series", "/plan", "/sheets", "/ask", "/history", "/series?store_id=1")


@contextmanager
def running(world: World) -> Iterator[str]:
    """Serve a shop with its keys; gives the address."""
    live = Live.from_settings(world.settings)
    live.refresh()
    pages = Pages(live, world.settings)
    with served(create_app(live, pages=pages, threads=4)) as at:
        yield at


@dataclass
class Form:
    """A form of a page."""

    action: str
    method: str
    kind: str
    fields: dict[str, str] = field(default_factory=dict)
    open: dict[str, list[str]] = field(default_factory=dict)
    """Those that people fill: name -> what may be chosen, nothing for any text."""
    buttons: list[dict[str, str]] = field(default_factory=list)


class Seen(HTMLParser):
    """The links and forms of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.forms: list[Form] = []
        self._form: Form | None = None
        self._select = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        of = {name: value or "" for name, value in attrs}
        if tag == "a" and of.get("href", "").startswith("/"):
            self.links.append(of["href"].partition("#")[0])
        elif tag == "form":
            self._form = Form(of.get("action", ""), of.get("method", "get"), of.get("enctype", ""))
            self.forms.append(self._form)
        elif self._form is None:
            return
        elif tag == "button":
            self._form.buttons.append(of)
        elif tag == "select":
            self._select = of["name"]
            self._form.open[self._select] = []
        elif tag == "option" and self._select:
            self._form.open[self._select].append(of.get("value", ""))
        elif tag == "input" and "name" in of:
            self._form.fields[of["name"]] = of.get("value", "")
            if of.get("type") != "hidden":
                self._form.open[of["name"]] = []

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "select":
            self._select = ""


class Person:
    """Somebody with a browser, and the notes of all changes that were accepted from them."""

    def __init__(self, client: httpx.Client, key: str, world: World, number: int) -> None:
        self.client, self.key, self.world = client, key, world
        self.chance = random.Random(number)  # noqa: S311 - no secret
        self.page = self._send("GET", "/")

    def click(self, number: int) -> list[str]:
        """Follow a link or send a form; return the notes of what that changed."""
        seen = Seen(self.page.text if "html" in self.page.headers["content-type"] else "")
        forms = [of for of in seen.forms if of.action != "/sign-out" or self.chance.random() < 0.1]
        # Those that change something are fewer than the links around them.
        writing = [of for of in forms if of.method == "post"]
        if writing and self.chance.random() < 0.8:
            return self._fill(self.chance.choice(writing), number)
        if forms and self.chance.random() < 0.4:
            return self._fill(self.chance.choice(forms), number)
        places = seen.links if seen.links and self.chance.random() < 0.7 else PLACES
        self.page = self._send("GET", self.chance.choice(places))
        return []

    def _fill(self, form: Form, number: int) -> list[str]:
        values = dict(form.fields)
        for name, choices in form.open.items():
            values[name] = self._value(name, values.get(name, ""), choices, number)
        button = self.chance.choice(form.buttons) if form.buttons else {}
        if "name" in button:
            values[button["name"]] = button.get("value", "")
        path = button.get("formaction", form.action)
        if form.method == "get":
            self.page = self._send("GET", path, params=values)
            return []
        note = values.get("note", "")
        if form.kind:
            values.pop("file", None)
            self.page = self._send("POST", path, data=values, files={"file": self._sheet()})
        else:
            self.page = self._send("POST", path, data=values)
        return self._made(path, values, note)

    def _made(self, path: str, values: dict[str, str], note: str) -> list[str]:
        if self.page.status_code != 303:
            return []
        at = self.page.headers["location"]
        self.page = self._send("GET", at.partition("#")[0])
        if path == "/plan":
            return [note]
        if path == "/plan/undo":
            return [""]
        if path == "/sheets/take":
            taken = int(at.partition("taken=")[2])
            assert values["changes"].count('"note":"of a sheet"') == taken
            return ["of a sheet"] * taken
        return []

    def _value(self, name: str, value: str, choices: list[str], number: int) -> str:
        if name == "key":
            return self.key
        if choices:
            return self.chance.choice(choices)
        if name == "note":
            return f"click {number}"
        if name in {"first", "last"}:
            weeks = self.chance.choice((0, 1, 2, 2, 2, 3, 99) if name == "first" else (3, 4, 5))
            return str(self.world.panel.last + timedelta(weeks=weeks))
        if name == "number":
            return self.chance.choice(("5", "-10", "0", "12.5", "7,25", "1e15", "x"))
        return value if self.chance.random() < 0.6 else self.chance.choice(TEXTS)

    def _sheet(self) -> bytes:
        """The sheet that is given out now, some of it filled; now and then damaged."""
        head, *rows = self._send("GET", "/sheets/plan.csv").text.splitlines()
        for place in self.chance.sample(range(len(rows)), self.chance.randint(0, 3)):
            cells = rows[place].split(",")
            cells[-4:-1] = [self.chance.choice(("100", "2500.75")), "event", "of a sheet"]
            rows[place] = ",".join(cells)
        content = "\r\n".join([head, *rows]).encode()
        return content if self.chance.random() < 0.8 else content[:-900] + b"\xff,"

    def _send(self, method: str, path: str, **sent: Any) -> httpx.Response:
        response = self.client.request(method, path or "/", **sent)
        assert response.status_code < 500, f"{method} {path} {sent}: {response.text}"
        while response.status_code == 303 and method == "GET":
            response = self.client.get(response.headers["location"])
        return response


def planned(client: httpx.Client, key: str, query: str = "") -> list[int]:
    """What is planned of a sum, in cents."""
    response = client.get(f"/forecast?{query}", headers={"X-API-Key": key})
    return [round(of["planned"] * 100) for of in response.json()]


def assert_sums_agree(client: httpx.Client, key: str) -> None:
    stores = [f"store_id={of}" for of in (1, 2, 3)]
    departments = [f"dept_id={of}" for of in (3, 7)]
    whole = planned(client, key)
    for parts in (stores, departments, [f"{a}&{b}" for a in stores for b in departments]):
        assert whole == [
            sum(of) for of in zip(*(planned(client, key, p) for p in parts), strict=True)
        ]


def stored(world: World) -> list[sqlite3.Row]:
    with closing(sqlite3.connect(world.settings.database_url.removeprefix("sqlite:///"))) as to:
        to.row_factory = sqlite3.Row
        return to.execute("SELECT * FROM overrides ORDER BY number").fetchall()


@pytest.mark.parametrize("seed", [11])
def test_people_who_click_at_random_break_nothing_and_lose_nothing(
    departments_shop: World, tmp_path: Path, seed: int
) -> None:
    world = of_ones_own(departments_shop, tmp_path, **PEOPLE)
    chance, notes = random.Random(seed), []  # noqa: S311 - no secret
    with running(world) as at, ExitStack() as stack:
        clients = [stack.enter_context(httpx.Client(base_url=at, timeout=30)) for _ in PEOPLE]
        people = [
            Person(client, world.keys[name], world, seed + number)
            for number, (client, name) in enumerate(zip(clients, PEOPLE, strict=True))
        ]
        for number in range(CLICKS):
            notes += chance.choice(people).click(number)
            if number % 500 == 499:
                assert_sums_agree(clients[0], world.keys["ada"])
        assert_sums_agree(clients[0], world.keys["ada"])
    assert notes == [of["note"] for of in stored(world)]
    assert len(notes) > CLICKS / 40, "they did change something"


def test_twenty_planners_at_once_on_the_same_cells_lose_no_update(
    departments_shop: World, tmp_path: Path
) -> None:
    names = [f"p{number:02}" for number in range(20)]
    world = of_ones_own(departments_shop, tmp_path, **dict.fromkeys(names, "planner"))
    week = str(world.panel.last + timedelta(weeks=2))
    query, together = "store_id=1", Barrier(len(names))

    def add_one(name: str) -> int:
        """Add a dollar to what was seen, until nobody was faster."""
        with httpx.Client(base_url=at, timeout=30, headers={"X-API-Key": world.keys[name]}) as to:
            together.wait()
            for tries in range(1, 2 * len(names)):
                seen = to.get(f"/forecast?{query}&week={week}").json()
                body = {
                    "keys": {"store_id": 1}, "first": week, "kind": "value", "reason": "event",
                    "number": round(seen["planned"] + 1, 2), "note": name,
                    "version": seen["version"],
                }  # fmt: skip
                status = to.post("/overrides", json=body).status_code
                if status == 201:
                    return tries
                assert 409 == status
        return 0

    with running(world) as at, httpx.Client(base_url=at, timeout=30) as client:
        before = planned(client, world.keys["p00"], query)[1]
        with ThreadPoolExecutor(len(names)) as pool:
            tries = [*pool.map(add_one, names)]
        assert all(tries)
        assert max(tries) > 1, "somebody was faster than somebody else"
        assert before + 100 * len(names) == planned(client, world.keys["p00"], query)[1]
        assert_sums_agree(client, world.keys["p00"])
    assert names == sorted(of["made_by"] for of in stored(world))
