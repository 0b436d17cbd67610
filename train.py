"""Train, judge and publish; or only measure, with `train.py backtest`.

python train.py                 backtest, fit, log to MLflow, gate, promote, write the bundle
python train.py --if-changed    the same, unless the last training saw this very data
python train.py --engine dask --scheduler tcp://host:8786    the same on a Dask cluster
python train.py publish         record what a training made while MLflow did not answer
python train.py backtest --csv FILE --horizon 8 --windows 8 --step 4
python train.py audit           prove that no prediction knows what came after its cutoff
python train.py tune            search hyperparameters, or covariates, before the reported weeks
python train.py eda --html FILE    look at sales: gaps, seasons, outliers, what would be refused
python train.py features --to FILE.parquet    write what the trees learn from; `--features` reads it
python train.py forecast        write what the champion expects of every series into the database

Every verb stands here, each a page of calls: so it is longer than other modules.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from sales_forecast.bundles.bundle import CHALLENGER, CHAMPION
from sales_forecast.commands import outputs, progress
from sales_forecast.commands.arguments import file_words, parse_train
from sales_forecast.commands.ending import ended, heard
from sales_forecast.commands.reading import asked, stored, until
from sales_forecast.data.database import Database
from sales_forecast.data.panel import Panel
from sales_forecast.errors import NothingToPublish
from sales_forecast.features.passing import told
from sales_forecast.params import DEFAULTS, Params, read_params
from sales_forecast.settings import load_settings
from sales_forecast.training.again import trained_already

if TYPE_CHECKING:
    from sales_forecast.training.promote import Outcome


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code: 0 done, 1 refused or failed, 2 wrong usage."""
    arguments = parse_train(argv, __doc__.splitlines()[0])

    def command() -> int:
        with _engine(arguments.scheduler):
            return _COMMANDS[arguments.command](arguments)

    return heard(command, "train.py")


def _engine(scheduler: str | None) -> AbstractContextManager[None]:
    """Return what the work is done with: this machine, or the cluster of a scheduler."""
    if scheduler is None:
        return nullcontext()
    from sales_forecast.compute.cluster import connected

    return connected(scheduler)


def train(arguments: argparse.Namespace) -> int:
    """Train on the database, publish what deserves it, and say so."""
    settings = load_settings()
    with closing(Database(settings.database_url, settings.database_service_user)) as database:
        database.migrate()
        panel, source = database.read_panel(), database.source() or "unknown"
    params = read_params(settings.params_file)
    print("".join(f"{note}\n" for note in (*panel.notes, *told(panel))), end="")
    links = [settings.var_dir / alias for alias in (CHAMPION, CHALLENGER)]
    trained = trained_already(panel, params, links) if arguments.if_changed else None
    if trained is not None:
        print(f"Nothing changed: {trained} was trained on this data by this code.")
        return 0
    started = time.monotonic()
    with progress.shown() as show:
        show("importing the training libraries")
        from sales_forecast.training.promote import train_and_promote

        with _given_features(arguments.features, panel.without(params.features.leave_out)):
            outcome = train_and_promote(panel, source, settings, show)
    return _tell(outcome, started)


def _given_features(file: Path | None, panel: Panel) -> AbstractContextManager[None]:
    if file is None:
        return nullcontext()
    from sales_forecast.training.feature_table import read_back

    return read_back(file, panel)


def features(arguments: argparse.Namespace) -> int:
    """Write the features that a training learns from, and those of what is to be forecast."""
    outputs.check(arguments.to)
    panel = until(asked(arguments, _params()), arguments.until)
    with progress.shown() as show:
        show("importing the training libraries")
        from sales_forecast.training.feature_table import parquet, version_of

        show("making the features")
        content, rows = parquet(panel)
    outputs.write(arguments.to, content)
    print(f"Wrote {rows:,} rows of features {version_of(panel)} into {arguments.to}.")
    return 0


def publish(_: argparse.Namespace) -> int:
    """Publish the bundle that an earlier training had to keep, and say so."""
    started = time.monotonic()
    try:
        with progress.shown() as show:
            show("importing MLflow")
            from sales_forecast.training.promote import promote_kept

            outcome = promote_kept(load_settings(), show)
    except NothingToPublish as error:
        print(error.message)
        return 0
    return _tell(outcome, started)


def _tell(outcome: Outcome, started: float) -> int:
    for protocol, table in outcome.tables.items():
        print(f"{protocol}\n{table}\n")
    for check in outcome.verdict.checks:
        print(f"gate: {check}")
    print(f"{outcome.sentence} ({time.monotonic() - started:.0f} s)")
    return 0 if outcome.alias == CHAMPION else 1


def run_backtest(arguments: argparse.Namespace) -> int:
    """Measure models on a file or on the database; publish nothing."""
    files = arguments.predictions, arguments.json, arguments.forecast
    outputs.check(*files, folder=arguments.figures)
    params = _params()
    panel = until(asked(arguments, params), arguments.until)
    with progress.shown() as show:
        show("importing the training libraries")
        from sales_forecast.evaluation import judged
        from sales_forecast.evaluation.measurement import Measurement, forecast_csv
        from sales_forecast.evaluation.protocols import RollingOrigin
        from sales_forecast.models import catalogue

        split = RollingOrigin(arguments.horizon, arguments.windows, arguments.step)
        forecasters = catalogue.choose(arguments.models, params)
        table = judged.score_models(panel, forecasters, split, show)
        ahead = None
        if arguments.forecast:
            ahead = judged.forecast(panel, forecasters, table, split.horizon, show)
    measured = Measurement(panel, split, table)
    print(measured.text(by_segment=arguments.segments))
    sheets = load_settings().csv_for_spreadsheets
    if arguments.predictions:
        _write(arguments.predictions, measured.predictions(for_spreadsheets=sheets))
    if arguments.json:
        _write(arguments.json, measured.summary())
    if ahead is not None:
        _write(arguments.forecast, forecast_csv(panel, ahead, for_spreadsheets=sheets))
    if arguments.figures:
        for name, picture in measured.figures().items():
            _write(arguments.figures / name, picture)
    return 0


def forecast(_: argparse.Namespace) -> int:
    """Write what the champion expects of every series into the database, and say so."""
    with progress.shown() as show:
        show("importing the service")
        from sales_forecast.operations.batch import write_forecasts

        settings = load_settings()
        show("reading the sales")
        sentence = write_forecasts(settings, stored(settings), show)
    print(sentence)
    return 0


def eda(arguments: argparse.Namespace) -> int:
    """Look at sales before anything is learned from them; 1 if models would not be trained."""
    outputs.check(arguments.html, arguments.json)
    panel = asked(arguments, _params())
    with progress.shown() as show:
        show("looking at the sales")
        from sales_forecast.exploring.findings import explore
        from sales_forecast.exploring.page import as_json, page, text

        found = explore(panel)
    print(text(found))
    if arguments.html:
        _write(arguments.html, page(found, str(arguments.csv or "the database")))
    if arguments.json:
        _write(arguments.json, as_json(found))
    return 1 if found.refused else 0


def run_audit(arguments: argparse.Namespace) -> int:
    """Examine the backtest, the features and the models; show what leaks would have claimed."""
    params = _params()
    panel = asked(arguments, params)
    with progress.shown() as show:
        show("importing the training libraries")
        from sales_forecast.audit import audit, leaks
        from sales_forecast.models import catalogue

        checks = audit.audit(panel, catalogue.choose(arguments.models, params), show)
        claims = leaks.claims(panel, audit.protocols(panel)[-1], show)
    for check in checks:
        print(f"{'LEAK' if check.problems else 'ok'}: {check.examined}")
    print(f"\nWhat leaks would have claimed for random_forest:\n{leaks.claims_table(claims)}")
    problems = [problem for check in checks for problem in check.problems]
    print(*problems, sep="\n", end="\n" if problems else "", file=sys.stderr)
    return 1 if problems else 0


def run_tune(arguments: argparse.Namespace) -> int:
    """Search hyperparameters on inner windows; say what to commit, and change nothing."""
    if arguments.covariates:
        return _search_covariates(arguments)
    params = _params()
    panel = asked(arguments, params)
    with progress.shown() as show:
        show("importing the training libraries")
        from sales_forecast.tuning import trials, tune

        forecasters = tune.choose(arguments.models)
        past = tune.searchable(panel, arguments.until, params)
        found = [
            tune.search(past, forecaster, arguments.trials, arguments.seed, show)
            for forecaster in forecasters
        ]
    # What is drawn and found for a model does not depend on --models.
    words = ("python", "train.py", "tune", *file_words(arguments), "--until", past.last)
    words += ("--trials", arguments.trials, "--seed", arguments.seed)
    command = shlex.join(map(str, words))
    print(tune.describe_windows(past))
    for of in found:
        print(f"\n{of.model}: the best of {of.n_trials} trials\n{trials.trials_table(of)}\n")
        print(trials.proposal(of, command))
    return 0


def _search_covariates(arguments: argparse.Namespace) -> int:
    # What is left out already is judged anew.
    panel = asked(arguments, DEFAULTS)
    with progress.shown() as show:
        show("importing the training libraries")
        from sales_forecast.tuning import covariates, tune

        past = tune.searchable(panel, arguments.until, _params())
        found = covariates.search(past, show)
    print(tune.describe_windows(past))
    print(f"\n{covariates.covariates_table(found)}\n\n{covariates.proposal(found)}")
    return 0


def _params() -> Params:
    return read_params(load_settings().params_file)


def _write(file: Path, content: str | bytes) -> None:
    outputs.write(file, content)
    print(f"Wrote {file}.")


_COMMANDS: Mapping[str | None, Callable[[argparse.Namespace], int]] = {
    None: train,
    "publish": publish,
    "backtest": run_backtest,
    "audit": run_audit,
    "tune": run_tune,
    "forecast": forecast,
    "eda": eda,
    "features": features,
}


if __name__ == "__main__":
    sys.exit(ended(main))
