"""What keeping every answer costs: the service with its ledger beside the service without.

    python -m benchmarks.ledger
    python -m benchmarks.ledger --database-url postgresql+psycopg://USER@HOST/EMPTY_DATABASE

Loads and trains as `benchmarks.serving` does, runs both services as one process with one worker,
and asks them in turn with the same bodies. Prints the medians of the rounds; "of without" is
measured against the service without a ledger just before and just after. For local use: it needs a
machine that does nothing else.
"""

from __future__ import annotations

import argparse
from statistics import mean, median

from benchmarks.questions import ENDPOINTS, write_questions
from benchmarks.serving import ROOT, Workspace
from sales_forecast.data.rows import STORES


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
    print(f"\n{'':<26}{'requests/s':>12}{'of without':>12}{'p50 ms':>10}{'p99 ms':>10}")
    for path in ENDPOINTS:
        both = (("without", without, 1.0), ("keeping", keeping, median(ratios[path])))
        for name, server, ratio in both:
            print(
                f"{name} {path:<18}{server.median(path, 'per_second'):>12,.1f}{ratio:>12.4f}"
                f"{server.median(path, 'p50_ms'):>10.1f}{server.median(path, 'p99_ms'):>10.1f}"
            )


if __name__ == "__main__":
    main()
