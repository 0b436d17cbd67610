"""Whether memory stays where it is while a service answers for a long time.

    python -m benchmarks.soak                # ten minutes
    python -m benchmarks.soak --seconds 60

Loads and trains as `benchmarks.serving` does, with its ledger and access log on, and asks both
endpoints in turn over 16 connections, with varied bodies; connections come and go. What the process
holds is noted after each round. Exits 1 where the median of the last quarter of the rounds is more
than 3% above that of the second quarter: the first one is for whatever is filled once. The numbers
are of this machine, the ratio is the result.
"""

from __future__ import annotations

import argparse
import sys
import time
from statistics import median

from benchmarks.questions import ENDPOINTS, write_questions
from benchmarks.serving import ROOT, Workspace

MOST_GROWTH = 0.03
_ROUNDS = 40
_QUARTER = _ROUNDS // 4


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600.0, help="altogether")
    chosen = parser.parse_args()
    folder = ROOT / "var" / "benchmark" / "stores"
    workspace = Workspace(folder, f"sqlite:///{folder}/sales.db")
    workspace.prepare([])
    bodies = write_questions(workspace.database_url, folder)
    each = chosen.seconds / _ROUNDS / len(ENDPOINTS)
    held: list[float] = []
    asked = 0.0
    begin = time.monotonic()
    with workspace.serve(["main.py"], "/ready") as service:
        for number in range(_ROUNDS):
            for path in ENDPOINTS:
                service.ask(path, bodies[path], each)
                _, numbers = service.rounds[-1]
                asked += numbers["requests"]
            held.append(numbers["memory_mb"])
            if number % _QUARTER == _QUARTER - 1:
                print(
                    f"{time.monotonic() - begin:6.0f} s  {asked:12,.0f} answers  {held[-1]:.1f} MB"
                )
    early, late = median(held[_QUARTER : 2 * _QUARTER]), median(held[-_QUARTER:])
    growth = late / early - 1
    print(
        f"Memory of the last quarter beside the second: {growth:+.1%} (at most {MOST_GROWTH:+.0%})."
    )
    return int(growth > MOST_GROWTH)


if __name__ == "__main__":
    sys.exit(main())
