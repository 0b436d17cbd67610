"""What words of a command line mean: takes text, gives a value, or says what is wrong with it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import get_args

from sales_forecast.data.files.layouts import LAYOUTS
from sales_forecast.data.spec import OWN_LAYOUT, WeekDates


def count(text: str) -> int:
    """Read a number of things, at least one."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number of at least 1")
    return int(text)


def seed(text: str) -> int:
    """Read a seed of 32 bits."""
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 0 to {2**32 - 1}")
    return int(text)


def day(text: str) -> date:
    """Read a day, YYYY-MM-DD."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007, a day has no zone
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text} is not a day like 2011-10-28") from error


def parquet(text: str) -> Path:
    """Return the name of a file that may hold Parquet; one that says otherwise is refused."""
    file = Path(text)
    if file.suffix not in {"", ".parquet"}:
        raise argparse.ArgumentTypeError(f"{text} gets Parquet: end its name on .parquet")
    return file


def layout(text: str) -> str:
    """Read the name of a layout, or of a file that describes one's own."""
    if text not in LAYOUTS and not text.endswith(OWN_LAYOUT):
        known = ", ".join(LAYOUTS)
        raise argparse.ArgumentTypeError(f"{text} is none of {known} and no file *{OWN_LAYOUT}")
    return text


def add_layout(parser: argparse.ArgumentParser) -> None:
    """Let a command be told the layout of its file, and what its dates are."""
    parser.add_argument(
        "--layout",
        type=layout,
        default="stores",
        help=f"{', '.join(LAYOUTS)}, or a file that describes your own (*{OWN_LAYOUT}); "
        "default: stores",
    )
    parser.add_argument(
        "--dates",
        choices=get_args(WeekDates),
        help="which day of a week its date in the file is; needed where it is none of the usual "
        "last days",
    )


def check_layout(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """Refuse what says how a file is read where no file is named. Exits with 2."""
    if arguments.csv is not None:
        return
    if arguments.layout != "stores":
        parser.error(f"--layout {arguments.layout} needs --csv PATH")
    if arguments.dates:
        parser.error("--dates says what the dates of a file are: name it by --csv")


def file_words(arguments: argparse.Namespace) -> tuple[object, ...]:
    """Return the words by which a command was told its file; none of the database."""
    if not arguments.csv:
        return ()
    dates = ("--dates", arguments.dates) if arguments.dates else ()
    return ("--csv", arguments.csv, "--layout", arguments.layout, *dates)


def parse_train(argv: Sequence[str] | None, description: str) -> argparse.Namespace:
    """Read the command line of `train.py`: `command` is None for a training. Exits with 2."""
    parser = _train_parser(description)
    arguments = parser.parse_args(argv)
    if (arguments.engine == "dask") != (arguments.scheduler is not None):
        parser.error("--engine dask and --scheduler ADDRESS need each other")
    if (arguments.if_changed or arguments.features) and arguments.command:
        parser.error("--if-changed and --features are for a training alone")
    if arguments.features and arguments.scheduler:
        parser.error("--features is read here, and not on a cluster")
    if arguments.command == "tune" and arguments.covariates and arguments.models:
        parser.error("--covariates are searched with XGBoost alone: leave out --models")
    if hasattr(arguments, "layout"):
        check_layout(parser, arguments)
    if arguments.scheduler and arguments.command not in {None, "backtest"}:
        parser.error("--engine dask is for training and backtest alone")
    return arguments


def _train_parser(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--if-changed", action="store_true", help="do nothing if the data is the one trained on"
    )
    parser.add_argument(
        "--features",
        type=Path,
        metavar="FILE.parquet",
        help="learn from the rows of a file that `features --to` wrote of these sales",
    )
    parser.set_defaults(engine="local", scheduler=None)
    commands = parser.add_subparsers(title="commands", dest="command")
    commands.add_parser(
        "publish", help="publish what a training made and could not record in MLflow"
    )
    measure = commands.add_parser("backtest", help="measure models; no MLflow, nothing published")
    examine = commands.add_parser("audit", help="prove that no model sees a later week")
    search = commands.add_parser("tune", help="search hyperparameters of the trees")
    commands.add_parser("forecast", help="write what is expected of every series into the database")
    look = commands.add_parser("eda", help="what sales look like, and what would be refused")
    look.add_argument("--html", type=Path, metavar="FILE", help="as a page, with pictures")
    look.add_argument("--json", type=Path, metavar="OUT.json")
    table = commands.add_parser("features", help="write what the trees learn from as a table")
    table.add_argument("--to", type=parquet, metavar="FILE.parquet", required=True)
    for command in (measure, examine, search, look, table):
        command.add_argument("--csv", type=Path, help="a sales file (default: the database)")
        add_layout(command)
    for command in (measure, examine):
        command.add_argument(
            "--models",
            help="comma-separated; baselines are always in the table, lightgbm and catboost only "
            "if named here",
        )
    for name, what in (
        ("horizon", "weeks predicted at each cutoff; days, if sales are daily"),
        ("windows", "number of cutoffs"),
        ("step", "weeks, or days, between cutoffs"),
    ):
        measure.add_argument(f"--{name}", type=count, required=True, help=what)
    for command in (measure, table):
        command.add_argument(
            "--until", type=day, metavar="YYYY-MM-DD", help="as if nothing later were known"
        )
    measure.add_argument("--predictions", type=Path, metavar="OUT.csv")
    measure.add_argument("--json", type=Path, metavar="OUT.json")
    measure.add_argument(
        "--forecast",
        type=Path,
        metavar="OUT.csv",
        help="also forecast what comes after all that is known, with intervals as measured",
    )
    measure.add_argument("--figures", type=Path, metavar="FOLDER", help="scores as pictures")
    measure.add_argument(
        "--segments",
        action="store_true",
        help="also score steps, holidays, sizes, ages and traits of series apart",
    )
    for command in (parser, measure):
        # Without a default of its own: a command's would overwrite what was given before it.
        command.add_argument("--engine", choices=("local", "dask"), default=argparse.SUPPRESS)
        command.add_argument(
            "--scheduler",
            metavar="ADDRESS",
            default=argparse.SUPPRESS,
            help="of an existing Dask cluster, tcp://host:8786 say",
        )
    search.add_argument(
        "--models", help="comma-separated (default: random_forest,xgboost; also lightgbm,catboost)"
    )
    search.add_argument(
        "--covariates",
        action="store_true",
        help="instead of hyperparameters: which covariates XGBoost would not miss",
    )
    search.add_argument(
        "--until", type=day, metavar="YYYY-MM-DD", help="default: all weeks that are not reported"
    )
    search.add_argument("--trials", type=count, default=30, help="the defaults are the first")
    search.add_argument("--seed", type=seed, default=0, help="of what is drawn")
    return parser
