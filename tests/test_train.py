from __future__ import annotations

import csv
import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

import train
from sales_forecast.bundles.bundle import MANIFEST, ORIGIN, read_bundle, seal
from sales_forecast.bundles.conformance import verify
from sales_forecast.bundles.writing import set_alias, write_bundle
from sales_forecast.data.database import Database
from sales_forecast.data.rows import SalesRows
from sales_forecast.data.sample import sample_rows
from sales_forecast.evaluation.backtest import backtest
from sales_forecast.evaluation.measurement import forecast_csv
from sales_forecast.evaluation.protocols import RollingOrigin
from sales_forecast.evaluation.scoring import with_quantiles
from sales_forecast.models.naive import GROWTH
from sales_forecast.prediction.forecast import forecast
from sales_forecast.training.challenger import baseline_challenger
from tests import trained
from tests.builders import one_thread, sales_file, sample_panel
from tests.stages import beside_stages, only_stages

DOOR = Path(train.__file__)
KEYS = ["unique_id", "cutoff", "ds", "step", "y"]
BASELINE_NAMES = ["naive", "seasonal_naive", "seasonal_naive_growth"]
PROTOCOL = ("--horizon", "3", "--windows", "4", "--step", "2")


@dataclass(frozen=True)
class Place:
    """A folder with a database and all that a training makes."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            "DATABASE_URL": f"sqlite:///{self.folder}/sales.db",
            "MLFLOW_TRACKING_URI": f"sqlite:///{self.folder}/mlflow.db",
            "VAR_DIR": str(self.folder),
        }

    def load(self, rows: SalesRows) -> None:
        with closing(Database(self.environment["DATABASE_URL"])) as database:
            database.write(rows, "my.csv")

    def run(self, *arguments: str | Path, code: str = "") -> subprocess.CompletedProcess[str]:
        """Run the door, or code about it, as a process of its own."""
        return subprocess.run(
            [sys.executable, *(("-c", code) if code else (DOOR,)), *arguments],
            cwd=DOOR.parent,
            # Other tests keep the cores busy, and then the threads of XGBoost cost tenfold.
            env={**os.environ, **self.environment, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )

    def run_here(
        self,
        monkeypatch: pytest.MonkeyPatch,
        capfd: pytest.CaptureFixture[str],
        *arguments: str,
        **environment: str,
    ) -> tuple[int, str, str]:
        """Run the door in this process, which need not import for ten seconds."""
        for name, value in {**self.environment, **environment}.items():
            monkeypatch.setenv(name, value)
        with one_thread():
            code = train.main(arguments)
        return code, *capfd.readouterr()

    def champion(self) -> str:
        bundle = read_bundle(self.folder / "champion")
        verify(bundle)
        return bundle.version


def rows(weeks: int = 143) -> SalesRows:
    """The first weeks of the stores that all tests train on."""
    sample = sample_rows()
    some = np.isin(sample.store, [int(store) for store in trained.STORES])
    some &= sample.week <= trained.first_weeks(weeks).periods[-1]
    return SalesRows(
        store=sample.store[some],
        week=sample.week[some],
        sales=sample.sales[some],
        conditions={name: values[some] for name, values in sample.conditions.items()},
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    made = Place(tmp_path_factory.mktemp("train"))
    made.load(rows())
    return made


@pytest.fixture(scope="module")
def first(place: Place) -> subprocess.CompletedProcess[str]:
    """The first training of that place."""
    return place.run()


@pytest.fixture(scope="module")
def sales_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sales_file(tmp_path_factory.mktemp("csv"), rows().to_panel())


def test_a_training_prints_both_tables_the_gate_and_the_new_champion(
    place: Place, first: subprocess.CompletedProcess[str]
) -> None:
    lines = first.stdout.splitlines()

    assert 0 == first.returncode
    assert [
        "importing the training libraries",
        "one step",
        "many steps",
        "measuring the quantiles",
    ] == [*dict.fromkeys(line for line in first.stderr.splitlines() if ":" not in line)][:4]
    assert only_stages(first.stderr)
    assert {"one_step", "many_steps"} < set(lines)
    for name in (*BASELINE_NAMES, "random_forest", "xgboost", "arima", "rf_xgb_mean"):
        assert 2 == sum(line.startswith(f"| {name} ") for line in lines)
    assert 4 == sum(line.startswith("gate: ") and " is below " in line for line in lines)
    assert lines[-1].startswith(f"{place.champion()} is the new champion. (")
    assert lines[-1].endswith(" s)")


def test_a_training_asks_what_the_dates_of_another_weekday_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    few, made = rows(20), Place(tmp_path)
    made.load(replace(few, week=few.week - np.timedelta64(4, "D")))
    _, out, _ = made.run_here(monkeypatch, capfd)
    assert out.startswith("The stored weeks end on a Monday (2010-06-14), and no file")


def test_a_training_is_that_of_the_library(
    place: Place, first: subprocess.CompletedProcess[str]
) -> None:
    assert 0 == first.returncode
    bundle = read_bundle(place.folder / "champion")
    expected = trained.challenger()

    assert expected.manifest.answered_by == bundle.manifest.answered_by
    assert "my.csv" == bundle.origin.source
    for name, sales in forecast(expected.models, trained.panel(), 52).items():
        if name in bundle.models:
            found = forecast(bundle.models, trained.panel(), 52)[name]
            np.testing.assert_allclose(found, sales, rtol=1e-4)
    for protocol, models in expected.manifest.scores.items():
        assert {name: pytest.approx(errors) for name, errors in models.items()} == dict(
            bundle.manifest.scores[protocol]
        )


def test_what_was_trained_on_is_not_trained_on_again(
    place: Place, first: subprocess.CompletedProcess[str]
) -> None:
    assert 0 == first.returncode
    code = """
import sys, train
assert train.main(["--if-changed"]) == 0
heavy = {"mlflow", "sklearn", "xgboost", "statsmodels", "pandas", "matplotlib"}
print("imported:", sorted(heavy & set(sys.modules)))
"""
    again = place.run(code=code)

    assert 0 == again.returncode
    assert only_stages(again.stderr)
    assert again.stdout.splitlines() == [
        f"Nothing changed: {place.champion()} was trained on this data by this code.",
        "imported: []",
    ]


def test_what_other_code_made_of_the_same_data_is_trained_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    made = baseline_challenger(trained.first_weeks(40), "my.csv", {}, "")
    origin = made.origin.model_copy(update={"code": "other code"})
    files = dict(made.sealed.files)
    del files[MANIFEST], files[ORIGIN]
    folder = write_bundle(tmp_path / "bundles", seal(made.manifest, origin, files))
    place = Place(tmp_path)
    place.load(rows(40))
    set_alias(tmp_path / "champion", folder)

    code, out, err = place.run_here(monkeypatch, capfd, "--if-changed")
    assert 0 == code
    assert only_stages(err)
    assert "Published as champion" in out


def test_too_few_weeks_are_published_as_the_baseline_and_anew_when_a_value_was_corrected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    place, few = Place(tmp_path), rows(40)
    place.load(few)
    code, out, err = place.run_here(monkeypatch, capfd)
    before = place.champion()

    assert 0 == code
    assert only_stages(err)
    assert "the longest has 40. Load at least 16 more. Until then the growth" in out
    assert "baseline" == read_bundle(tmp_path / "champion").manifest.kind
    assert "Nothing changed" in place.run_here(monkeypatch, capfd, "--if-changed")[1]

    few.sales[-1] += 1.0
    place.load(few)
    code, out, err = place.run_here(monkeypatch, capfd, "--if-changed")
    assert (0, True) == (code, only_stages(err))
    assert place.champion() != before
    assert place.champion() in out.splitlines()[-1]


def test_an_empty_database_is_refused_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    code, out, err = Place(tmp_path).run_here(monkeypatch, capfd)

    assert (1, "") == (code, out)
    assert only_stages("\n".join(err.splitlines()[:-1]))
    assert "holds no sales yet. Load sales first: python database_loader.py" in err


Measure = Callable[..., tuple[int, str, str]]


@pytest.fixture
def measure(
    sales_csv: Path,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Measure:
    """Backtest the file; the exit code, and what was printed and complained of."""
    monkeypatch.chdir(tmp_path)

    def measure(*arguments: str | Path, file: Path = sales_csv) -> tuple[int, str, str]:
        given = ["backtest", "--csv", file, *PROTOCOL, "--models", "arima", *arguments]
        code = train.main([str(argument) for argument in given])
        out, err = capfd.readouterr()
        return code, out, beside_stages(err)

    return measure


def read(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))


def test_a_backtest_as_a_process_says_what_it_measured_and_nothing_else(
    sales_csv: Path, tmp_path: Path
) -> None:
    done = Place(tmp_path).run("backtest", "--csv", sales_csv, *PROTOCOL, "--models", "arima")
    lines = done.stdout.splitlines()

    assert 0 == done.returncode
    assert only_stages(done.stderr)
    assert lines[0] == (
        "3 weeks ahead, 4 windows 2 weeks apart, cutoffs 2012-08-17 .. 2012-09-28, 3 series"
    )
    assert lines[1] == "In no window: the newest 1 week, from 2012-10-26 on; --step 1 judges all."
    assert [*BASELINE_NAMES, "arima"] == [line.split()[1] for line in lines[4:]]
    assert [] == list(tmp_path.iterdir())


def beside(names: Sequence[str]) -> list[str]:
    """The columns of means and deciles."""
    ends = ("mean", *(f"q{tenths}0" for tenths in range(1, 10)))
    return [f"{name}_{end}" for name in names for end in ends]


def test_predictions_have_the_columns_of_the_contract_and_one_row_a_series_and_week(
    measure: Measure, tmp_path: Path
) -> None:
    code, printed, _ = measure("--predictions", "out.csv")
    names = [*BASELINE_NAMES, "arima"]
    table = read(tmp_path / "out.csv")
    ends = [f"{name}_{end}_80" for name in names for end in ("lo", "hi")]
    keys = [(row["unique_id"], row["cutoff"], row["ds"]) for row in table]

    assert 0 == code
    assert "Wrote out.csv." == printed.splitlines()[-1]
    assert [*KEYS, *names, *ends, *beside(names)] == list(table[0])
    assert 3 * 4 * 3 == len(keys) == len(set(keys))
    assert keys[:3] == [
        ("3", "2012-08-17", "2012-08-24"),
        ("3", "2012-08-17", "2012-08-31"),
        ("3", "2012-08-17", "2012-09-07"),
    ]
    assert ["1", "2", "3"] == [row["step"] for row in table[:3]]
    assert ["out.csv"] == [file.name for file in tmp_path.iterdir()]


def test_segments_are_printed_below_the_scores_where_they_are_asked_for(measure: Measure) -> None:
    _, without, _ = measure()
    code, printed, _ = measure("--segments")

    assert 0 == code
    assert printed.startswith(without.rstrip())
    segments = [line.split("|")[1].strip() for line in printed.splitlines() if " WAPE by " in line]
    assert ["WAPE by weeks ahead", "WAPE by week", "WAPE by mean sales"] == segments
    assert " WAPE by " not in without


def test_figures_are_made_in_a_folder_that_may_be_new(measure: Measure, tmp_path: Path) -> None:
    code, printed, problem = measure("--figures", "new")
    assert (0, "") == (code, problem)
    assert printed.endswith("Wrote new/steps.png.\nWrote new/segments.png.\n")
    assert ["segments.png", "steps.png"] == sorted(file.name for file in tmp_path.glob("new/*"))
    first = (tmp_path / "new" / "steps.png").read_bytes()
    assert b"\x89PNG" == first[:4]

    (tmp_path / "new" / "steps.png").write_bytes(b"older")
    (tmp_path / "new" / "mine.txt").write_text("kept")
    assert 0 == measure("--figures", "new")[0]
    assert first == (tmp_path / "new" / "steps.png").read_bytes()
    assert "kept" == (tmp_path / "new" / "mine.txt").read_text()


def test_figures_that_cannot_replace_a_folder_leave_nothing(
    measure: Measure, tmp_path: Path
) -> None:
    (tmp_path / "steps.png").mkdir()
    code, _, problem = measure("--figures", tmp_path)
    assert (1, f"{tmp_path}/steps.png cannot be written: Is a directory\n") == (code, problem)
    assert ["steps.png"] == [file.name for file in tmp_path.iterdir()]


def test_as_many_models_as_there_are_write_their_file_without_a_warning_of_a_library() -> None:
    panel = sample_panel(2)
    table = backtest(panel, [GROWTH], RollingOrigin(1, 2, 1)).rename(columns={GROWTH.name: "m0"})
    names = [f"m{number}" for number in range(14)]
    said = with_quantiles(table.assign(**dict.fromkeys(names, table["m0"])), panel)
    head, *rows = forecast_csv(panel, said).splitlines()
    assert (4, [*KEYS, *names]) == (len(rows), head.split(",")[: len(KEYS) + 14])


def test_predictions_hold_what_was_sold_and_no_forecast_of_the_future(
    measure: Measure, tmp_path: Path, sales_csv: Path
) -> None:
    measure("--predictions", "out.csv")
    sold = {(row["Store"], row["Date"]): float(row["Weekly_Sales"]) for row in read(sales_csv)}

    for row in read(tmp_path / "out.csv"):
        assert sold[row["unique_id"], row["ds"]] == float(row["y"])
        assert sold[row["unique_id"], row["cutoff"]] == float(row["naive"])


def test_a_forecast_begins_after_all_that_is_known(measure: Measure, tmp_path: Path) -> None:
    code, printed, problem = measure("--windows", "10", "--forecast", "ahead.csv")
    table = read(tmp_path / "ahead.csv")
    names = [*BASELINE_NAMES, "arima"]
    ends = [f"{name}_{end}_80" for name in names for end in ("lo", "hi")]

    assert (0, "") == (code, problem)
    assert "Wrote ahead.csv." == printed.splitlines()[-1]
    keys = ["unique_id", "cutoff", "ds", "step"]
    assert [*keys, *names, *ends, *beside(names), "warnings"] == list(table[0])
    assert ["2012-11-02", "2012-11-09", "2012-11-16"] == [row["ds"] for row in table[:3]]
    assert {"2012-10-26"} == {row["cutoff"] for row in table}
    assert {""} == {row["warnings"] for row in table}
    for row in table:
        assert float(row["arima_lo_80"]) < float(row["arima"]) < float(row["arima_hi_80"])


def test_a_series_that_is_only_planned_is_forecast_by_its_like(
    measure: Measure, tmp_path: Path, sales_csv: Path
) -> None:
    rows = "".join(
        f"{row['Store']},{'town' if row['Store'] == '3' else 'country'},{row['Date']},"
        f"{row['Weekly_Sales']}\n"
        for row in read(sales_csv)
    )
    (tmp_path / "own.csv").write_text(f"shop,kind,week,sales\n{rows}77,town,2012-11-02,\n")
    (tmp_path / "own.toml").write_text(
        'series = ["shop"]\ndate = "week"\ntarget = "sales"\ntraits = ["kind"]\n'
    )
    layout = ("--layout", "own.toml", "--forecast", "ahead.csv")
    code, printed, problem = measure(*layout, file=Path("own.csv"))
    table = read(tmp_path / "ahead.csv")
    (alike, new) = ([row for row in table if row["unique_id"] == shop] for shop in ("3", "77"))

    assert (0, "") == (code, problem)
    assert "4 series" in printed
    assert [float(row["arima"]) for row in new] == pytest.approx([float(r["arima"]) for r in alike])
    said = "Nothing is known of it: expected to sell 100% of what its like do, 3."
    assert {said} == {row["warnings"] for row in new}


def test_the_scores_are_those_that_the_predictions_give(
    measure: Measure, tmp_path: Path, sales_csv: Path
) -> None:
    code, *_ = measure("--predictions", "out.csv", "--json", "out.json")
    told = json.loads((tmp_path / "out.json").read_text())
    holidays = {row["Date"] for row in read(sales_csv) if row["Holiday_Flag"] == "1"}
    table = read(tmp_path / "out.csv")

    assert 0 == code
    assert {"horizon": 3, "windows": 4, "step": 2} == told["protocol"]
    assert (36, trained.panel().fingerprint) == (told["rows"], told["data_fingerprint"])
    assert [*BASELINE_NAMES, "arima"] == list(told["scores"])
    for model, errors in told["scores"].items():
        misses = [(abs(float(row["y"]) - float(row[model])), row) for row in table]
        weights = [5 if row["ds"] in holidays else 1 for row in table]
        flagged = [miss for miss, row in misses if row["ds"] in holidays]
        weighed = sum(weight * miss for weight, (miss, _) in zip(weights, misses, strict=True))
        assert {5, 1} == set(weights)
        assert weighed / sum(weights) == pytest.approx(errors["wmae"])
        assert sum(miss for miss, _ in misses) / 36 == pytest.approx(errors["mae"])
        assert math.sqrt(sum(miss**2 for miss, _ in misses) / 36) == pytest.approx(errors["rmse"])
        assert sum(miss for miss, _ in misses) / sum(
            float(row["y"]) for row in table
        ) == pytest.approx(errors["wape"])
        assert sum(flagged) / len(flagged) == pytest.approx(errors["mae_holiday"])


def test_a_backtest_without_a_file_measures_the_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    place = Place(tmp_path)
    place.load(rows(70))
    monkeypatch.setenv("DATABASE_URL", place.environment["DATABASE_URL"])
    assert 0 == train.main(["backtest", *PROTOCOL, "--models", "naive"])

    assert "cutoffs 2011-03-25 .. 2011-05-06, 3 series" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["--models", "oracle"],
            "--models: unknown oracle. Known: arima, catboost, ensemble, ets,",
        ),
        (["--models", "naive,"], "--models: unknown ''. Known: arima, catboost, ensemble, ets,"),
        (["--windows", "100"], "need more than 202 weeks of sales; there are 143. Reduce"),
        (["--windows", "70", "--models", "arima"], "ARIMA needs a series with at least 56 weeks"),
        (["--predictions", "no/such/folder/out.csv"], "no/such/folder/out.csv cannot be written"),
        (
            ["--json", "/dev/null/out.json"],
            "/dev/null/out.json cannot be written: no file can be there",
        ),
        (["--forecast", "no/such/out.csv"], "no/such/out.csv cannot be written"),
        (
            ["--forecast", "out.csv", "--predictions", "out.csv"],
            "out.csv cannot be written: it is named twice",
        ),
        (["--figures", "/dev/null"], "/dev/null cannot be written: no folder can be there"),
        (["--figures", "/proc/figures"], "/proc/figures cannot be written: "),
        (["--figures", "/proc"], "/proc cannot be written: "),
        (["--json", "/proc/out.json"], "/proc/out.json cannot be written: "),
        (["--figures", "no/such"], "no/such cannot be written: no folder can be there"),
        (["--figures", "x" * 300], "x cannot be written: File name too long"),
    ],
)
def test_what_cannot_be_measured_or_written_is_said_in_one_line(
    measure: Measure, tmp_path: Path, arguments: list[str], says: str
) -> None:
    code, _, problem = measure(*arguments)

    assert 1 == code
    assert says in problem
    assert 1 == len(problem.splitlines())
    assert [] == list(tmp_path.iterdir())


def test_a_missing_file_is_said_in_one_line(measure: Measure, tmp_path: Path) -> None:
    code, printed, problem = measure(file=tmp_path / "nothing.csv")

    assert (1, "") == (code, printed)
    assert problem.startswith(f"{tmp_path / 'nothing.csv'}: ")
    assert 1 == len(problem.splitlines())


def test_a_second_measurement_replaces_the_files_of_the_first(
    measure: Measure, tmp_path: Path
) -> None:
    (tmp_path / "out.json").write_text("old and much longer than nothing")
    measure("--json", "out.json")

    assert 36 == json.loads((tmp_path / "out.json").read_text())["rows"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["backtest"],
        ["backtest", "--horizon", "0", "--windows", "1", "--step", "1"],
        ["backtest", "--horizon", "x", "--windows", "1", "--step", "1"],
        ["backtest", *PROTOCOL, "--layout", "planets"],
        ["backtest", *PROTOCOL, "--dates", "first"],
        ["backtest", *PROTOCOL, "--until", "2012-W05"],
        ["backtest", *PROTOCOL, "--layout", "departments"],
        ["audit", "--layout", "daily"],
        ["--if-changed", "forecast"],
        ["--features", "x", "forecast"],
        ["features"],
        ["--unknown"],
    ],
)
def test_wrong_usage_exits_with_2(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        train.main(arguments)

    assert 2 == stopped.value.code
    assert capfd.readouterr().err.startswith("usage: ")


def test_predictions_cannot_replace_a_folder_and_leave_nothing(
    measure: Measure, tmp_path: Path
) -> None:
    (tmp_path / "out.csv").mkdir()
    code, printed, complaint = measure("--predictions", "out.csv")
    assert (1, "", "out.csv cannot be written: no file can be there.\n") == (
        code,
        printed,
        complaint,
    )
    assert ["out.csv"] == [file.name for file in tmp_path.iterdir()]


def test_a_folder_that_cannot_be_written_is_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    place = Place(tmp_path)
    place.load(rows(2))
    code, _, err = place.run_here(monkeypatch, capfd, VAR_DIR="/dev/null/var")
    *stages, said = err.splitlines()
    assert 1 == code
    assert only_stages("\n".join(stages))
    assert "/dev/null" in said


def test_ctrl_c_ends_a_command_with_one_line(sales_csv: Path) -> None:
    command = [sys.executable, DOOR, "backtest", "--csv", sales_csv, "--models", "pooled,arima"]
    command += ["--horizon", "8", "--windows", "20", "--step", "4"]
    with subprocess.Popen(command, cwd=DOOR.parent, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for stage in process.stderr:
            if stage.startswith("window 1 "):
                break
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    assert 130 == process.returncode
    assert "train.py: stopped.\n" == beside_stages(said)
