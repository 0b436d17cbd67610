"""The plan as a sheet: taken along whole, filled elsewhere, shown before it is taken back.

Takes what is planned, gives a workbook or CSV; takes such a file, shows each cell that it would
change, and makes overrides of them all, or of none. Must not know how a plan is made.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import IO, Any, TypeVar

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from pydantic_core import from_json, to_json
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from sales_forecast.data.files.csv_sheet import csv_rows, csv_sheet
from sales_forecast.data.files.workbook import FIRST_DAY, KIND, MOST_ROWS, workbook
from sales_forecast.data.files.workbook_read import first_sheet
from sales_forecast.data.forecasts.plan_cells import count
from sales_forecast.data.frequency import DAILY
from sales_forecast.errors import InvalidRequest, SalesForecastError
from sales_forecast.planning.sheets import MOST_CHANGES, MOST_PROBLEMS, Change, Reading, plan_rows
from sales_forecast.planning.wishes import REASONS, Made, Wish
from sales_forecast.service.live import Live
from sales_forecast.service.plans import wish_of
from sales_forecast.service.predictor import Predictor
from sales_forecast.web.forms import MOST_UPLOADED, form_of, upload_of
from sales_forecast.web.rendering import SAFE_HEADERS, Templates
from sales_forecast.web.selection import Selection, selections_of
from sales_forecast.web.visitors import Door

SHEETS, WORKBOOK, CSV = "/sheets", "/sheets/plan.xlsx", "/sheets/plan.csv"
CHECK, TAKE = "/sheets/check", "/sheets/take"
_ZIP = b"PK"
_CHUNK = 1 << 18
_MOST_TAKEN = 2_000_000
"""Bytes of the form that says which changes are taken."""

T = TypeVar("T")


class SheetPages:
    """`/sheets` and what belongs to it."""

    def __init__(self, live: Live, door: Door, templates: Templates) -> None:
        self._live = live
        self._door = door
        self._templates = templates
        # One at a time, and none in the threads that all other pages wait for.
        self._limiter = CapacityLimiter(1)

    async def answer(self, request: Request) -> Response:
        """Show the page."""
        visitor = self._door.reader(request)
        taken = request.query_params.get("taken", "")
        known = taken.isdecimal() and len(taken) <= len(str(MOST_CHANGES))
        return self._page(visitor=visitor, taken=int(taken) if known else None)

    async def workbook(self, request: Request) -> Response:
        """Give the plan as a workbook."""
        selection = self._selection(request)

        def made(rows: Any) -> Iterator[bytes]:
            number = count(rows, selection.scope) + 1
            if number > MOST_ROWS:
                raise InvalidRequest(
                    f"The plan of {selection.title} has {number:,} rows, and Excel reads "
                    f"{MOST_ROWS:,}. Take it as CSV, or take fewer series.",
                    {"rows": number},
                )
            return workbook("Plan", plan_rows(rows, selection.scope))

        file = await self._spooled(made)
        # Packed as it is: said, or it would be packed again.
        return _download(file, "plan.xlsx", KIND, {"Content-Encoding": "identity"})

    async def csv(self, request: Request) -> Response:
        """Give the plan as CSV."""
        selection = self._selection(request)
        local = request.query_params.get("form") == "local"

        def made(rows: Any) -> Iterator[bytes]:
            lines = csv_sheet(plan_rows(rows, selection.scope), local=local)
            return (some.encode() for some in lines)

        return _download(await self._spooled(made), "plan.csv", "text/csv; charset=utf-8", {})

    async def check(self, request: Request) -> Response:
        """Show what an uploaded sheet would change; nothing is changed."""
        self._door.author(request)
        async with upload_of(request) as file:
            visitor = await self._door.writer(request)
            usual = {name: (await form_of(request)).get(name, "") for name in ("reason", "note")}
            predictor = self._live.predictor
            try:
                changes, problems = await self._run(lambda: _read(predictor, file))
            except InvalidRequest as error:
                return self._page(error.status, visitor=visitor, problems=[error.message])
        bodies = [_body(predictor, of, usual) for of in changes]
        wishes, refused = _wishes(predictor, changes, bodies)
        problems = [*problems, *refused]
        made: list[Made] = []
        if not problems and wishes:
            name, spec = str(visitor.name), predictor.spec
            overrides = self._live.overrides
            try:
                refused_of = await self._run(lambda: overrides.refused(spec, wishes))
                problems = [f"Row {changes[place].row}: {of}" for place, of in refused_of]
                if not problems:
                    made = await self._run(lambda: overrides.preview(spec, wishes, name))
            except SalesForecastError as error:
                problems = [error.message]
        if problems or not made:
            problems = problems or ["No cell of the column new_plan is filled, so nothing changes."]
            return self._page(422, visitor=visitor, problems=problems)
        lines = [
            (selections_of(predictor).of(of.keys).title, of, cell)
            for of, one in zip(changes, made, strict=True)
            for cell in one.cells
        ]
        return self._templates.page(
            "sheet_check.html",
            visitor=visitor,
            here=SHEETS,
            lines=[(title, cell, bodies[number]) for number, (title, _, cell) in enumerate(lines)],
            inside=sum(bool(cell.inside_80) for _, _, cell in lines),
            changes=to_json(bodies).decode(),
        )

    async def take(self, request: Request) -> Response:
        """Make overrides of all changes that were shown, or of none."""
        self._door.author(request)
        form = await form_of(request, _MOST_TAKEN)
        visitor = await self._door.writer(request)
        bodies = _bodies(form.get("changes", ""))
        predictor, name = self._live.predictor, str(visitor.name)
        wishes = [wish_of(predictor, to_json(body)) for body in bodies]
        await self._run(lambda: self._live.overrides.make_all(predictor.spec, wishes, name))
        return RedirectResponse(f"{SHEETS}?taken={len(wishes)}", 303)

    def _page(self, status: int = 200, *, problems: Sequence[str] = (), **values: Any) -> Response:
        more = ["There are more such rows."] if len(problems) > MOST_PROBLEMS else []
        keys = [(key.field, key.kind == "number") for key in self._live.predictor.spec.keys]
        values = {"problems": [*problems[:MOST_PROBLEMS], *more], "taken": None, **values}
        return self._templates.page(
            "sheets.html", status, here=SHEETS, keys=keys, reasons=REASONS, most=MOST_CHANGES,
            megabytes=MOST_UPLOADED // 1_000_000, **values,
        )  # fmt: skip

    def _selection(self, request: Request) -> Selection:
        self._door.reader(request)
        return selections_of(self._live.predictor).read(request.query_params.multi_items())

    async def _spooled(self, make: Callable[[Any], Iterator[bytes]]) -> IO[bytes]:
        """Return a file that is whole: of one moment, and no slow reader holds the database."""
        spec, tables = self._live.predictor.spec, self._live.overrides.tables

        def spool() -> IO[bytes]:
            file = tempfile.TemporaryFile()  # noqa: SIM115 - whoever sends it closes it
            try:
                with tables.reading(spec) as rows:
                    file.writelines(make(rows))
            except BaseException:
                file.close()
                raise
            file.seek(0)
            return file

        return await self._run(spool)

    async def _run(self, work: Callable[[], T]) -> T:
        return await run_sync(work, limiter=self._limiter)


def _read(predictor: Predictor, file: IO[bytes]) -> tuple[list[Change], list[str]]:
    """Return the changes of a file and what is wrong with it. Raises InvalidRequest."""
    is_workbook = file.read(len(_ZIP)) == _ZIP
    file.seek(0)
    if is_workbook:
        with first_sheet(file) as sheet:
            reading = _reading(predictor, sheet.first_day, local=False)
            return reading.changes(sheet.rows), reading.problems
    local, rows = csv_rows(file)
    reading = _reading(predictor, FIRST_DAY, local=local)
    return reading.changes(rows), reading.problems


def _reading(predictor: Predictor, first_day: date, *, local: bool) -> Reading:
    spec = predictor.spec
    weekday = None if spec.frequency == DAILY else predictor.origin.weekday()
    meant = predictor.series.out_of_a_spreadsheet
    return Reading(spec, first_day, meant, local=local, weekday=weekday)


def _body(predictor: Predictor, of: Change, usual: Mapping[str, str]) -> dict[str, object]:
    """Return a change as POST /overrides takes it; `usual`: for what its row leaves empty."""
    return {
        "keys": {predictor.spec.keys[place].field: value for place, value in of.keys.items()},
        "first": of.target,
        "kind": "value",
        "number": of.amount,
        "reason": of.reason or usual["reason"],
        "note": of.note or usual["note"].strip(),
        "version": of.version,
    }


def _wishes(
    predictor: Predictor, changes: list[Change], bodies: list[dict[str, object]]
) -> tuple[list[Wish], list[str]]:
    wishes, problems = [], []
    for of, body in zip(changes, bodies, strict=True):
        try:
            wishes.append(wish_of(predictor, to_json(body)))
        except SalesForecastError as error:
            problems.append(f"Row {of.row}: {error.message}")
    return wishes, problems


def _bodies(text: str) -> list[object]:
    try:
        found = from_json(text)
    except ValueError:
        found = None
    if not isinstance(found, list) or not 0 < len(found) <= MOST_CHANGES:
        raise InvalidRequest(
            "The form does not say which changes to take. Send the sheet again.", {"changes": "?"}
        )
    return found


def _download(file: IO[bytes], name: str, kind: str, headers: Mapping[str, str]) -> Response:
    async def chunks() -> AsyncIterator[bytes]:
        with file:
            while chunk := file.read(_CHUNK):
                yield chunk

    of = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(chunks(), headers={**SAFE_HEADERS, **of, **headers}, media_type=kind)
