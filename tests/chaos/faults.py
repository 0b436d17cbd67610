"""What can happen to a service that answers: each fault lasts as long as its context.

A fault takes the world, and something to choose by; it leaves the world as it was. Two of
different `KINDS` can happen at once.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from random import Random

import sqlalchemy as sa

from sales_forecast.bundles.writing import set_alias
from sales_forecast.data.ledger.tables import PREDICTIONS, ledger_url
from tests.chaos.world import World
from tests.service.test_ledger_under_fire import kill_all, workers_of
from tests.service.test_ready import overwrite

Fault = Callable[[World, Random], AbstractContextManager[None]]
YEAR = 365 * 24 * 3600


@contextmanager
def database_cut(world: World, _: Random) -> Iterator[None]:
    with world.way.cut():
        yield


@contextmanager
def database_stalled(world: World, _: Random) -> Iterator[None]:
    with world.way.stalled():
        yield


@contextmanager
def table_gone(world: World, chance: Random) -> Iterator[None]:
    name = chance.choice(["loads", "fact_sales", PREDICTIONS.name])
    change = "ALTER TABLE {} RENAME TO {}"
    engine = sa.create_engine(world.url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql(change.format(name, "gone"))
    yield
    with engine.begin() as connection:
        connection.exec_driver_sql(change.format("gone", name))


@contextmanager
def _held(url: str, how: str) -> Iterator[None]:
    file = sa.make_url(url).database
    with closing(sqlite3.connect(str(file), isolation_level=None, timeout=30)) as connection:
        connection.execute(f"BEGIN {how}")
        yield


@contextmanager
def file_held(world: World, _: Random) -> Iterator[None]:
    with _held(world.url, "EXCLUSIVE"):
        yield


@contextmanager
def ledger_held(world: World, _: Random) -> Iterator[None]:
    with _held(str(ledger_url(world.url)), "IMMEDIATE"):
        yield


@contextmanager
def file_damaged(world: World, chance: Random) -> Iterator[None]:
    file = Path(str(sa.make_url(world.url).database))
    whole = shutil.copy(file, world.folder / "whole.db")
    damage: Sequence[Callable[[], object]] = (
        file.unlink,
        lambda: os.truncate(file, 0),
        lambda: os.truncate(file, 5000),
        lambda: overwrite(file),
        lambda: file.write_bytes(b"not a database at all" * 1000),
    )
    chance.choice(damage)()
    yield
    shutil.copy(whole, world.folder / "mended.db").replace(file)


@contextmanager
def bundle_switched(world: World, _: Random) -> Iterator[None]:
    """Serve the other one from now on."""
    world.champion = next(of for of in world.bundles if of != world.champion)
    set_alias(world.link, world.champion)
    yield


@contextmanager
def bundle_damaged(world: World, chance: Random) -> Iterator[None]:
    file = chance.choice(sorted(world.champion.iterdir()))
    whole = file.read_bytes()
    at = chance.randrange(len(whole))
    damaged = chance.choice([whole[:at], whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]])
    file.write_bytes(damaged)
    yield
    file.write_bytes(whole)


@contextmanager
def bundle_gone(world: World, chance: Random) -> Iterator[None]:
    world.link.unlink()
    if chance.random() < 0.5:
        world.link.symlink_to(world.link.name)
    yield
    set_alias(world.link, world.champion)


@contextmanager
def worker_killed(world: World, chance: Random) -> Iterator[None]:
    os.kill(chance.choice(workers_of(world.process)), signal.SIGKILL)
    yield


@contextmanager
def worker_stopped(world: World, chance: Random) -> Iterator[None]:
    worker = chance.choice(workers_of(world.process))
    os.kill(worker, signal.SIGSTOP)
    yield
    os.kill(worker, signal.SIGCONT)


@contextmanager
def all_killed(world: World, _: Random) -> Iterator[None]:
    kill_all(world.process)
    world.start()
    yield


@contextmanager
def told_to_stop(world: World, _: Random) -> Iterator[None]:
    world.process.terminate()
    assert 0 == world.process.wait(30)
    world.start()
    yield


@contextmanager
def hung_up(world: World, _: Random) -> Iterator[None]:
    """Exchange the workers, one after the other."""
    world.leaving = {*workers_of(world.process)}
    world.process.send_signal(signal.SIGHUP)
    yield


@contextmanager
def disk_full(world: World, _: Random) -> Iterator[None]:
    """Let no process of the service write to any file."""

    def allow(size: int) -> None:
        for pid in (world.process.pid, *workers_of(world.process)):
            _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, most))

    allow(0)
    yield
    allow(resource.RLIM_INFINITY)


@contextmanager
def clock_moved(world: World, chance: Random) -> Iterator[None]:
    world.clock.write_text(str(chance.choice([-YEAR, -3600, -2, 3600, YEAR])))
    yield
    world.clock.write_text("")


DISK, PROCESS = "disk", "process"
SERVER = (database_cut, database_stalled, table_gone)
FILE = (file_held, ledger_held, file_damaged)
KINDS: Mapping[str, Sequence[Fault]] = {
    "bundle": (bundle_switched, bundle_damaged, bundle_gone),
    PROCESS: (worker_killed, worker_stopped, all_killed, told_to_stop, hung_up),
    DISK: (disk_full,),
    "clock": (clock_moved,),
}
