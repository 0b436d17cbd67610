"""The ledger's tables, and the ids by which its rows are found."""

from __future__ import annotations

import itertools
import uuid
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from sales_forecast.data.database import Database
from sales_forecast.data.ledger.ids import first_id, new_id
from sales_forecast.data.ledger.tables import METADATA, key_hash, ledger_url
from tests.builders import sample_panel

KEYS = (
    {"store_id": 1},
    {"store_id": "1"},
    {"store_id": 2},
    {"dept_id": 1},
    {"store_id": 1, "dept_id": 1},
    {"article": "a b é \ud800"},
)


def test_the_migration_makes_the_tables_that_are_read_and_on_sqlite_none(url: str) -> None:
    with closing(Database(url)) as database:
        database.write(sample_panel(2, 14), "a.csv")
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    found = sa.inspect(engine)

    made = {name for name in found.get_table_names() if name in METADATA.tables}

    assert made == (set() if url.startswith("sqlite") else set(METADATA.tables))
    for name in made:
        table = METADATA.tables[name]
        columns = {of["name"]: bool(of["nullable"]) for of in found.get_columns(name)}
        assert columns == {column.name: bool(column.nullable) for column in table.columns}
        assert (
            found.get_pk_constraint(name)["constrained_columns"] == table.primary_key.columns.keys()
        )
        indexes = {of["name"]: of["column_names"] for of in found.get_indexes(name)}
        assert indexes == {str(of.name): of.columns.keys() for of in table.indexes}


def test_ids_are_uuids_of_version_7_in_the_order_of_time() -> None:
    before = datetime.now(UTC)
    ids = [new_id() for _ in range(1000)]

    assert len(set(ids)) == 1000
    assert all((str(of), of.version, of.variant) == (text, 7, uuid.RFC_4122)
               for text in ids for of in [uuid.UUID(text)])  # fmt: skip
    milliseconds = [uuid.UUID(text).int >> 80 for text in ids]
    assert before.timestamp() * 1000 - 1 < milliseconds[0] <= milliseconds[-1]
    assert milliseconds == sorted(milliseconds)


def test_a_moment_parts_ids_from_later_ones() -> None:
    now = datetime.now(UTC)
    bounds = [first_id(now - timedelta(seconds=1)), new_id(), first_id(now + timedelta(seconds=60))]

    assert bounds == sorted(bounds)
    assert first_id(datetime(2026, 11, 26, tzinfo=UTC)).startswith("01a21526-e400-7")


@pytest.mark.parametrize(
    ("one", "other"),
    list(itertools.combinations(KEYS, 2)),
)
def test_other_keys_have_another_number_of_64_bits(one, other) -> None:
    assert key_hash(one) != key_hash(other)
    assert -(2**63) <= key_hash(one) < 2**63


def test_a_caller_has_numbers_of_its_own() -> None:
    found = [key_hash(keys, caller) for keys in KEYS for caller in (None, "", "ana", "ben")]

    assert len(set(found)) == 4 * len(KEYS)


def test_the_order_of_keys_changes_nothing() -> None:
    assert key_hash({"store_id": 1, "dept_id": 3}) == key_hash({"dept_id": 3, "store_id": 1})


def test_on_sqlite_the_ledger_is_a_file_beside_the_sales() -> None:
    assert ledger_url("sqlite:///var/sales.db") == "sqlite:///var/sales.predictions.db"
    assert ledger_url("sqlite://") is None
    server = "mysql+pymysql://a:b%40@host/name"
    assert ledger_url(server) == server
