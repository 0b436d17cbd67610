"""The history of sales in a database: what may be written to it, and the panel it gives back.

Takes a panel and gives back the panel of all that was loaded. One writer at a time, all of a file
or nothing, readers never wait. Must not validate values.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import NamedTuple

import sqlalchemy as sa

from sales_forecast.data import anchors, bulk, dimensions, rights, schema, star, v05, views
from sales_forecast.data.admission import Admitted, admit, newest_load, stored_spec
from sales_forecast.data.database_server import BRING_UP_TO_DATE, Server, read_at_one_moment
from sales_forecast.data.facts import blocks, panel_of
from sales_forecast.data.merge import merge
from sales_forecast.data.panel import Panel
from sales_forecast.data.rows import STORES, SalesRows
from sales_forecast.data.schema import Form
from sales_forecast.errors import DatabaseError, NotReady


@dataclass(frozen=True)
class LoadReport:
    """What one write did, in rows; `sample_rows_removed` made place for the first real file."""

    inserted: int
    corrected: int
    unchanged: int
    sample_rows_removed: int = 0


class Stored(NamedTuple):
    """What a database holds: `version` and `source` as `Database` says them one by one.

    `behind`: what to do about tables of an earlier release; None where nothing is.
    """

    version: int
    source: str | None
    behind: str | None


class Database:
    """The stored history. Connects at the first call; safe to share between threads.

    Every method raises DatabaseError when the database does not answer as it should, and those
    that read raise NotReady where its tables are of another release.
    """

    def __init__(self, url: str, service_user: str | None = None) -> None:
        """Take a URL as in the setting DATABASE_URL. Raises SettingsError for another form.

        `service_user`: whom `migrate` and `write` give the rights of a service.
        """
        self._server = Server(url)
        self._service_user = service_user

    def close(self) -> None:
        """Close the idle connections."""
        self._server.close()

    def look(self) -> Stored:
        """Return what is stored now, without reading it."""
        with self._server.connection() as connection:
            form = schema.form(connection, self._server.shown)
            newest = None if form is Form.EMPTY else newest_load(connection)
        version, source = newest or (0, None)
        if form in {Form.EMPTY, Form.STAR}:
            return Stored(version, source, None)
        behind = f"The database has tables of an earlier release. {BRING_UP_TO_DATE}"
        return Stored(version, source, behind)

    def version(self) -> int:
        """Return a number that changes whenever the stored sales do; 0 if there are none."""
        return self.look().version

    def source(self) -> str | None:
        """Return where the newest change came from: a path, `SAMPLE`, or None if nowhere."""
        return self.look().source

    def read_panel(self) -> Panel:
        """Return all that is stored, with its spec and keys.

        A database of an earlier release is read as it is. Raises NotReady, with the remedy, while
        nothing is stored.
        """
        shown = self._server.shown
        with self._server.connection() as connection:
            read_at_one_moment(connection)
            form = schema.form(connection, shown)
            try:
                panel = v05.read(connection) if form is Form.V05 else None
                panel = _of_star(connection) if form in {Form.OLDER, Form.STAR} else panel
            except ValueError as error:
                said = f"cannot be used: {error}."
                public = f"The stored sales {said}"
                raise DatabaseError(f"The sales in {shown} {said}", public=public) from error
        if panel is None:
            said = "holds no sales yet. Load sales first: python database_loader.py"
            raise NotReady(f"The database {shown} {said}", public=f"The database {said}")
        spec = panel.spec or STORES
        return replace(panel, notes=anchors.doubts(spec, panel.last)).with_zeros()

    def migrate(self) -> None:
        """Bring the tables up to date; what is there already stays as it is.

        For whoever loads or trains, never for a service. Raises NotReady for tables of a newer
        release.
        """
        with self._server.writing() as connection:
            schema.migrate(connection, self._server.shown)
            connection.commit()
        self._renew_views(of_another_spec=False)

    def write(self, sales: Panel | SalesRows, source: str) -> LoadReport:
        """Insert new rows and correct those that differ: all of them (one or more) or nothing.

        A second writer waits for the first. The first rows of another source replace the sample as
        a whole. What is not known in `sales` never erases what is stored.

        Raises:
            DataRefused: With nothing written: sales of another spec than the stored ones, weeks
                that end on another weekday, or the sample beside real sales.
        """
        panel = sales.to_panel() if isinstance(sales, SalesRows) else sales
        if panel.spec is None:
            raise ValueError("only a panel with a spec can be stored")
        with self._server.writing() as connection:
            schema.migrate(connection, self._server.shown)
            # Columns first and on their own: nobody who reads waits for what follows.
            star.add_columns(connection, admit(connection, panel, source).spec)
            connection.commit()
        with self._server.writing() as connection:
            admitted = admit(connection, panel, source)
            report = _load(connection, admitted, source)
            connection.commit()
        self._renew_views(of_another_spec=admitted.replaces_sample)
        return report

    def _renew_views(self, *, of_another_spec: bool) -> None:
        """Make the views that are not there. MySQL would end the transaction of a load here."""
        with self._server.writing() as connection:
            spec = stored_spec(connection)
            if spec is not None and (of_another_spec or not views.are_of(connection, spec)):
                views.renew(connection, spec)
            connection.commit()
        if self._service_user:
            with self._server.connection() as connection:
                rights.grant(connection, self._service_user)


def _load(connection: sa.Connection, admitted: Admitted, source: str) -> LoadReport:
    # Time, so that a database that was made anew has another version, too.
    load_id = max(time.time_ns() // 1000, admitted.newest + 1)
    panel, spec = admitted.panel, admitted.spec
    removed, first_id = 0, dimensions.next_id(connection)
    if admitted.replaces_sample:
        removed = connection.execute(sa.delete(sa.table("fact_sales"))).rowcount
        for name in ("dim_series", "dim_period", "panel_spec"):
            connection.execute(sa.delete(sa.table(name)))
    if spec != admitted.stored or admitted.replaces_sample:
        connection.execute(sa.delete(star.PANEL_SPEC))
        stored = {"id": 1, "spec": spec.model_dump_json()}
        connection.execute(sa.insert(star.PANEL_SPEC), stored)
    ids, relabelled = dimensions.write_series(connection, panel, spec, first_id, load_id)
    redated = dimensions.write_holidays(connection, panel)
    merged = merge(connection, spec, blocks(panel, spec, ids), load_id)
    if merged.inserted or merged.corrected or relabelled or redated or spec != admitted.stored:
        record = {
            "id": load_id,
            "loaded_at": datetime.now(UTC),
            "source": source,
            "inserted": merged.inserted,
            "corrected": merged.corrected,
        }
        connection.execute(sa.insert(star.LOADS), record)
    unchanged = merged.given - merged.inserted - merged.corrected
    return LoadReport(merged.inserted, merged.corrected, unchanged, removed)


def _of_star(connection: sa.Connection) -> Panel | None:
    spec = stored_spec(connection)
    if spec is None:
        return None
    facts = bulk.read(connection, star.fact_sales(spec))
    if not len(facts):
        return None
    holidays = dimensions.read_holidays(connection) if spec.country else None
    return panel_of(spec, dimensions.read_series(connection, spec), facts, holidays)
