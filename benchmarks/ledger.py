"""What keeping every answer costs: the service with its ledger beside the service without.

    python -m benchmarks.ledger
    python -m benchmarks.ledger --database-url postgresql+psycopg://USER@HOST/EMPTY_DATABASE

Loads and trains as `benchmarks.serving` does, runs both services as one process with one worker,
and asks them in turn with the same bodies. Prints the medians of the rounds; "of without" is
measured against the service without a ledger just before and just after. Then one endpoint is asked
for a minute, and how many rows wait for the database is counted, and how soon none does. For local
use: it needs a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import re
import time
import urllib.request
from statistics import mean, median

from benchmarks.questions import ENDPOINTS, write_questions
from benchmarks.serving import HOST, ROOT, Workspace
from sales_forecast.data.rows import STORES

MINUTE = 60.0
_ROWS = re.compile(r'sales_forecast_ledger_rows_total\{result="(written|moved)"\} (\S+)')


def waiting(port: int) -> int:
    """Return how many rows are on disk and not in the database yet."""
    with urllib.request.urlopen(f"http://{HOST}:{port}/metrics") as answer:
        rows = {result: float(n) for result, n in _ROWS.findall(answer.read().decode())}
    return int(rows["written"] - rows["moved"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layout", default=STORES.layout)
    parser.add_argument("--csv", help="default: the generated sample")
    parser.add_argument("--database-url", help="default: SQLite in the folder of the benchmark")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    chosen = parser.parse_args()
    folder = ROOT / "var" / "benchmark" / f"{chosen.layout}-ledger"
    workspace = Workspace(folder, chosen.database_url or f"sqlite:///{folder}/sales.db")
    workspace.prepare(["--layout", chosen.layout, "--csv", chosen.csv] if chosen.csv else [])
    bodies = write_questions(workspace.database_url, folder)

    ratios: dict[str, list[float]] = {path: [] for path in ENDPOINTS}
    with (
        workspace.serve(["main.py"], "/ready", PREDICTION_LEDGER="false") as without,
        workspace.serve(["main.py"], "/ready", PREDICTION_LEDGER="true") as keeping,
    ):
        for path in ENDPOINTS * chosen.rounds:
            before = without.ask(path, bodies[path], chosen.seconds)
            mine = keeping.ask(path, bodies[path], chosen.seconds)
            after = without.ask(path, bodies[path], chosen.seconds)
            ratios[path].append(mine / mean([before, after]))
        while waiting(keeping.port) > 0:
            time.sleep(0.1)
        path = ENDPOINTS[0]
        asked = keeping.ask(path, bodies[path], MINUTE) * MINUTE
        keeping.rounds.pop()  # it is none
        left, begin = waiting(keeping.port), time.perf_counter()
        while waiting(keeping.port) > 0:
            time.sleep(0.1)
        behind = time.perf_counter() - begin
    print(f"\n{'':<26}{'requests/s':>12}{'of without':>12}{'p50 ms':>10}{'p99 ms':>10}")
    for path in ENDPOINTS:
        both = (("without", without, 1.0), ("keeping", keeping, median(ratios[path])))
        for name, server, ratio in both:
            print(
                f"{name} {path:<18}{server.median(path, 'per_second'):>12,.1f}{ratio:>12.4f}"
                f"{server.median(path, 'p50_ms'):>10.1f}{server.median(path, 'p99_ms'):>10.1f}"
            )
    print(
        f"\nOf {asked:,.0f} answers in a minute {left:,} rows wait; none does {behind:.1f} s later."
    )


if __name__ == "__main__":
    main()
