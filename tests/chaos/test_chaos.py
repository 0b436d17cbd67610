"""Whatever happens to a service, what it answers is right, and what it answered is kept.

A few faults by default, from a seed; `CHAOS=200` lets 200 happen on each database, as every night,
and `CHAOS_SEED` others. `-rP` shows what happened.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from random import Random

import pytest

from tests.chaos.callers import Callers
from tests.chaos.faults import DISK, FILE, KINDS, PROCESS, SERVER
from tests.chaos.world import QUESTIONS, World
from tests.mlflow_server import until
from tests.service.test_ledger_under_fire import stored

FAULTS = int(os.environ.get("CHAOS", "0"))
FEW = 8
SEED = int(os.environ.get("CHAOS_SEED", "20"))
ANSWERS_DURING, SECONDS_DURING, PATIENCE_SECONDS = 20, 1.0, 60
AT_ONCE = [1, 1, 2]
FAULTS_A_LINE = 20

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux lends a disk that is full")


@pytest.fixture
def callers() -> Callers:
    return Callers(QUESTIONS, SEED)


@pytest.fixture
def world(url: str, tmp_path: Path, callers: Callers) -> Iterator[World]:
    if not FAULTS and not url.startswith("sqlite"):
        pytest.skip("minutes: set CHAOS=200")
    with closing(World(tmp_path, url, callers)) as world:
        yield world


def test_no_answer_is_wrong_and_none_that_was_given_is_lost(
    world: World, callers: Callers, capfd: pytest.CaptureFixture[str]
) -> None:
    chance = Random(SEED)  # noqa: S311 - no secret
    kinds = {**KINDS, "database": FILE if world.url.startswith("sqlite") else SERVER}
    offline = world.offline()
    happened: Counter[str] = Counter()
    begin = time.monotonic()
    world.start()
    with callers.asking():
        while happened.total() < (FAULTS or FEW):
            before = happened.total()
            chosen = chance.sample(sorted(kinds), chance.choice(AT_ONCE))
            callers.wrong = frozenset(chosen)
            with ExitStack() as faults:
                for kind in chosen:
                    fault = chance.choice(kinds[kind])
                    faults.enter_context(fault(world, chance))
                    happened[fault.__name__] += 1
                callers.wait(ANSWERS_DURING, SECONDS_DURING)
            until(world.is_well, lambda: f"after {chosen}: {world.seen}", PATIENCE_SECONDS)  # noqa: B023
            callers.wrong = frozenset()
            assert callers.wait(ANSWERS_DURING, 30)
            if happened.total() // FAULTS_A_LINE > before // FAULTS_A_LINE:
                sys.stdout.write(
                    f"{time.monotonic() - begin:6.0f} s  {happened.total():4} faults"
                    f"  {len(callers.outcomes):8,} questions\n"
                )
    world.stop()
    said = capfd.readouterr()
    sys.stdout.write(said.out)
    sys.stderr.write(said.err)

    ids, _ = stored(world.url)
    kept = {*ids}
    accepted = [of for of in callers.outcomes if of.status == 200]
    wrong = [of for of in accepted if of.said not in {each[of.question] for each in offline}]
    lost = [of for of in accepted if of.kept_as not in kept]
    others = [of for of in callers.outcomes if of.status != 200 and PROCESS not in of.during]
    # What waits in memory for room on a full disk dies with its process.
    forgiven = [of for of in lost if {DISK, PROCESS} <= of.during]
    sys.stdout.write(
        f"{world.url.partition(':')[0]}, seed {SEED}: {happened.total()} faults:"
        f" {dict(happened.most_common())}\n"
        f"{len(callers.outcomes):,} questions, {len(accepted):,} answers: {len(wrong)} wrong,"
        f" {len(lost)} lost, of them {len(forgiven)} on a full disk with their process;"
        f" not answered: {dict(Counter(of.status for of in callers.outcomes if of.status != 200))},"
        f" of them {len(others)} though a worker was there\n"
    )
    assert [] == wrong
    assert forgiven == lost
    assert [] == others
    assert len(ids) == len(kept)
    assert "Traceback" not in said.err
