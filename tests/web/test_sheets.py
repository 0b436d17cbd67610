"""The plan as a sheet: whole, filled, shown before it is taken; a damaged one changes nothing."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from html import unescape
from typing import Any
from urllib.parse import urlencode

import httpx
import openpyxl
import pytest

from sales_forecast.service.live import Live
from sales_forecast.web import forms, sheets
from tests.service.conftest import ask_app
from tests.web.test_sessions import FORM, cookie_of, sign_in, token_in
from tests.web.world import World, of_ones_own

HEAD = [
    "Store", "Dept", "target", "sales", "lower_80", "upper_80", "planned", "new_plan", "reason",
    "note", "version",
]  # fmt: skip


class Planner:
    """Somebody who has signed in to a service of departments."""

    def __init__(self, made: World, live: Live, role: str = "planner") -> None:
        self.live = live
        self.app = made.app(live)
        self.key = made.keys[role]
        self.cookie = cookie_of(sign_in(self.app, self.key))

    def get(self, path: str) -> httpx.Response:
        return ask_app(self.app, "GET", path, headers=self.cookie)

    def check(self, file: str | bytes, **others: str) -> httpx.Response:
        sent = {"token": token_in(self.get("/sheets").text), **others}
        content = file if isinstance(file, bytes) else file.encode()
        return ask_app(
            self.app, "POST", "/sheets/check", files={"file": ("plan", content)}, data=sent,
            headers=self.cookie,
        )  # fmt: skip

    def take(self, shown: httpx.Response) -> httpx.Response:
        found = re.search(r'name="changes" value="([^"]*)"', shown.text)
        assert found is not None, shown.text
        sent = {"token": token_in(shown.text), "changes": unescape(found[1])}
        headers = FORM | self.cookie
        return ask_app(self.app, "POST", "/sheets/take", urlencode(sent).encode(), headers=headers)

    def api(self, path: str) -> Any:
        return ask_app(self.app, "GET", path, headers={"X-API-Key": self.key}).json()

    def planned(self, query: str = "store_id=1&dept_id=3") -> list[float]:
        return [of["planned"] for of in self.api(f"/forecast?{query}")]

    def rows(self, query: str = "") -> list[dict[str, str]]:
        return [*csv.DictReader(self.get(f"/sheets/plan.csv{query}").text.splitlines())]


def filled(rows: list[dict[str, str]], *cells: tuple[int, str], **others: str) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, HEAD)
    writer.writeheader()
    for place, value in cells:
        rows[place] |= {"new_plan": value, "reason": "event", "note": "fair", **others}
    writer.writerows(rows)
    return out.getvalue()


@pytest.fixture(scope="module")
def made(departments_shop: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    return of_ones_own(departments_shop, tmp_path_factory.mktemp("sheets"))


@pytest.fixture(scope="module")
def live(made: World) -> Iterator[Live]:
    live = Live.from_settings(made.settings)
    live.refresh()
    with live:
        yield live


@pytest.fixture
def planner(made: World, live: Live) -> Planner:
    return Planner(made, live)


def test_the_sheet_has_every_series_and_period_with_the_numbers_of_the_api(
    planner: Planner,
) -> None:
    response = planner.get("/sheets/plan.xlsx")
    book = openpyxl.load_workbook(io.BytesIO(response.content), read_only=True)
    head, *rows = book["Plan"].iter_rows(values_only=True)
    assert HEAD == [*head]
    answers = planner.api("/forecast?store_id=1&dept_id=3")
    assert len(rows) == 6 * len(answers)
    for row, of in zip(rows, answers, strict=False):
        numbers = of["sales"], of["lower"], of["upper"], of["planned"]
        assert (1, 3, of["week"], *numbers) == (*row[:2], str(row[2].date()), *row[3:7])
        assert (None, None, None, of["version"]) == row[7:]
    assert "attachment" in response.headers["content-disposition"]
    assert "gzip" != response.headers.get("content-encoding")


def test_both_forms_of_csv_hold_the_same_and_may_be_of_some_series(planner: Planner) -> None:
    iso = planner.rows("?store_id=1&dept_id=3")
    text = planner.get("/sheets/plan.csv?store_id=1&dept_id=3&form=local").content.decode()
    assert "\ufeff" == text[0]
    local = [*csv.DictReader(text[1:].splitlines(), delimiter=";")]
    assert len(iso) == len(local) == len(planner.planned())
    year, month, day = iso[0]["target"].split("-")
    assert f"{day}.{month}.{year}" == local[0]["target"]
    assert [of["sales"] for of in iso] == [of["sales"].replace(",", ".") for of in local]
    assert 404 == planner.get("/sheets/plan.csv?store_id=99").status_code


def test_more_rows_than_excel_reads_are_said_and_not_cut(
    planner: Planner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheets, "MOST_ROWS", 100)
    response = planner.get("/sheets/plan.xlsx")
    assert 422 == response.status_code
    assert "has 181 rows, and Excel reads 100. Take it as CSV" in response.text
    assert 200 == planner.get("/sheets/plan.xlsx?store_id=1&dept_id=3").status_code


def test_every_filled_cell_is_shown_and_nothing_changes_before_it_is_taken(
    planner: Planner,
) -> None:
    before, chain = planner.planned(), planner.planned("store_id=1")
    shown = planner.check(filled(planner.rows(), (0, "12345.5"), (2, "7"), (31, "1")))
    assert 200 == shown.status_code, shown.text
    assert "Take these 3 changes?" in shown.text
    for part in ("12,345.50", f"{before[0]:,.2f}", f"{12345.5 - before[0]:+,.2f}", "fair", "event"):
        assert part in shown.text
    assert before == planner.planned()

    response = planner.take(shown)

    assert (303, "/sheets?taken=3") == (response.status_code, response.headers["location"])
    assert [12345.5, before[1], 7.0, *before[3:]] == planner.planned()
    store = planner.planned("store_id=1")
    assert round(12345.5 - before[0], 2) == round(store[0] - chain[0], 2)
    one = planner.api("/overrides")["items"][0]
    assert ("a-planner", "event", "fair") == (one["made_by"], one["reason"], one["note"])
    assert "3 cells are planned" in planner.get("/sheets?taken=3").text
    again = planner.take(shown)
    assert 409 == again.status_code, "what was shown is taken once"


def test_a_workbook_comes_back_from_another_program(planner: Planner) -> None:
    book = openpyxl.load_workbook(io.BytesIO(planner.get("/sheets/plan.xlsx").content))
    sheet = book["Plan"]
    sheet["H3"] = 4321.25
    out = io.BytesIO()
    book.save(out)
    shown = planner.check(out.getvalue(), reason="other", note="for all rows without one")
    assert "Take this change?" in shown.text
    assert "for all rows without one" in shown.text
    assert 303 == planner.take(shown).status_code
    assert 4321.25 == planner.planned()[1]


def test_a_local_file_comes_back_with_decimal_commas_and_days_of_that_country(
    planner: Planner,
) -> None:
    rows = planner.rows()
    year, month, day = rows[3]["target"].split("-")
    line = f"1;3;{day}.{month}.{year};1.234,5;event;fair;{rows[3]['version']}"
    text = f"Store;Dept;target;new_plan;reason;note;version\r\n{line}\r\n"
    assert 303 == planner.take(planner.check(text)).status_code
    assert 1234.5 == planner.planned()[3]


def wrong(rows: list[dict[str, str]], **cells: str) -> str:
    """A sheet of a good row and one that has other cells."""
    rows[5] |= {"new_plan": "11", "reason": "event", "note": "fair", **cells}
    return filled(rows, (4, "10"))


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        ({"new_plan": "12,5"}, "new_plan must be a number such as 1234.50"),
        ({"new_plan": "-1"}, "Row 7: number must be at least 0"),
        ({"new_plan": "inf"}, "must be a number"),
        ({"Store": "99"}, "99"),
        ({"Store": "one"}, "Store must be a whole number"),
        ({"Dept": "999"}, "999"),
        ({"target": "2012-11-03"}, "ends no period"),
        ({"target": "soon"}, "ends no period"),
        ({"target": "2030-01-04"}, "Row 7: last 2030-01-04 is not forecast"),
        ({"reason": "luck"}, "reason"),
        ({"reason": ""}, "reason"),
        ({"note": ""}, "note"),
        ({"version": ""}, "version"),
        ({"version": "99999-0"}, "New forecasts were issued"),
        ({"target": "2012-11-30"}, "the same series and period"),
    ],
)
def test_one_row_that_cannot_be_taken_keeps_the_whole_sheet_out(
    planner: Planner, cells: dict[str, str], says: str
) -> None:
    before = planner.planned("")
    response = planner.check(wrong(planner.rows(), **cells))
    assert 422 == response.status_code
    assert "Nothing was changed." in response.text
    assert says in unescape(response.text)
    assert 'name="changes"' not in response.text
    assert before == planner.planned("")


@pytest.mark.parametrize("cells", [{"new_plan": "x"}, {"new_plan": "-1"}, {"reason": "luck"}])
def test_twenty_rows_that_cannot_be_taken_are_named_and_more_are_said_to_be_there(
    planner: Planner, cells: dict[str, str]
) -> None:
    for n in (20, 21):
        sheet = filled(planner.rows(), *((place, "1") for place in range(n)), **cells)
        page = planner.check(sheet).text
        assert 20 == len(re.findall(r"<li>Row [0-9]+: ", page))
        assert (n > 20) == ("There are more such rows." in page)


def test_a_day_that_may_be_two_is_the_one_that_ends_a_period(planner: Planner) -> None:
    rows = planner.rows()
    year, month, day = rows[0]["target"].split("-")
    for text in (f"{month}/{day}/{year}", f"{day}/{month}/{year}"):
        shown = planner.check(filled([{**rows[0], "target": text}], (0, "5")))
        assert "Take this change?" in shown.text, shown.text


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"a,b\n1,2\n", "has no column Store, Dept, target, new_plan"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"PK\3\4 and no more", "damaged"),
        (b'Store,"Dept\n', "no CSV"),
        (",".join([*HEAD, "note"]).encode(), "more than one column note"),
        (",".join(HEAD).encode(), "No cell of the column new_plan is filled"),
    ],
)
def test_what_is_no_such_sheet_is_refused(planner: Planner, content: bytes, says: str) -> None:
    response = planner.check(content)
    assert 422 == response.status_code
    assert says in response.text


def test_what_was_changed_meanwhile_is_not_overwritten(planner: Planner, made: World) -> None:
    admin = Planner(made, planner.live, "admin")
    mine, theirs = planner.rows(), admin.rows()
    assert 303 == admin.take(admin.check(filled(theirs, (10, "99")))).status_code
    refused = planner.check(filled(mine, (9, "1"), (10, "98")))
    assert "These cells were changed by a-admin" in refused.text
    assert 99.0 == planner.planned()[10]


def test_whatever_the_address_says_was_taken_the_page_is_shown(planner: Planner) -> None:
    assert 200 == planner.get("/sheets?taken=" + "9" * 5_000).status_code


def test_large_and_damaged_uploads_are_refused(
    planner: Planner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forms, "MOST_UPLOADED", 50_000)
    assert 413 == planner.check(b"x" * 50_001).status_code
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    for body in (
        b"",
        b"--b\r\n",
        b"no form at all",
        b"--b\r\nContent-Disposition: form-data\r\n\r\n",
    ):
        response = ask_app(
            planner.app, "POST", "/sheets/check", body, headers=planner.cookie | kind
        )
        assert 422 == response.status_code, body
        assert "multipart" not in response.text
    plain = ask_app(planner.app, "POST", "/sheets/check", b"a=1", headers=planner.cookie | FORM)
    assert 422 == plain.status_code
    for charset in ("unicode_escape", "undefined"):
        kind = {"Content-Type": f"multipart/form-data; boundary=b; Charset={charset}"}
        field = b'--b\r\nContent-Disposition: form-data; name="token"\r\n\r\n\\ud800\r\n--b--\r\n'
        headers = planner.cookie | kind
        response = ask_app(planner.app, "POST", "/sheets/check", field, headers=headers)
        assert 422 == response.status_code, charset


def test_only_planners_bring_sheets_back_and_only_by_their_own_form(
    planner: Planner, made: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = filled(planner.rows(), (0, "1"))
    viewer = Planner(made, planner.live, "viewer")
    assert 'name="file"' not in viewer.get("/sheets").text
    assert 403 == viewer.check(text, token=token_in(viewer.get("/sheets").text)).status_code
    assert 403 == planner.check(text, token="of another").status_code  # noqa: S106
    for changes in ("", "{}", "[]", "[1]", "[" * 5000, '[{"keys": {}}]', '["\\ud800"]'):
        sent = {"token": token_in(planner.get("/sheets").text), "changes": changes}
        response = ask_app(
            planner.app, "POST", "/sheets/take", urlencode(sent).encode(),
            headers=FORM | planner.cookie,
        )  # fmt: skip
        assert response.status_code in {400, 422}, changes
