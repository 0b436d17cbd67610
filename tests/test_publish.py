from __future__ import annotations

import os
import pickle
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from mlflow.tracking import MlflowClient
from threadpoolctl import threadpool_limits

from sales_forecast.bundles.bundle import MANIFEST, Bundle, read_bundle
from sales_forecast.data.database import SAMPLE
from sales_forecast.data.panel import Panel
from sales_forecast.errors import NotEnoughData
from sales_forecast.prediction.conformance import verify
from sales_forecast.settings import Settings
from sales_forecast.training import promote as publish
from sales_forecast.training.challenger import Candidate
from sales_forecast.training.challenger import _table_files as _files
from sales_forecast.training.promote import BASELINE_NOTE, Outcome, train_and_publish
from sales_forecast.training.tracking.client import BUNDLE_MODEL, Registry
from tests import trained
from tests.builders import sample_panel

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Place:
    """Where a training publishes, and what is to be seen there afterwards."""

    settings: Settings

    @property
    def folder(self) -> Path:
        return self.settings.var_dir

    def train(self, panel: Panel | None = None, source: str = trained.SOURCE) -> Outcome:
        # Other tests keep the cores busy, and then the threads of XGBoost cost tenfold.
        with threadpool_limits(1):
            return train_and_publish(
                panel or trained.panel(), source, self.settings, trained.silent
            )

    def served(self, alias: str) -> Bundle | None:
        """What the local folder names, proved as the service proves it; None for nothing."""
        link = self.folder / alias
        if not os.path.lexists(link):
            return None
        bundle = read_bundle(link)
        verify(bundle)
        return bundle

    def registered(self, alias: str) -> Bundle | None:
        """What the alias names in MLflow; None for nothing."""
        registry = Registry(self.settings.mlflow_tracking_uri, self.folder)
        folder = registry.fetch(BUNDLE_MODEL, alias)
        return None if folder is None else read_bundle(folder)

    def versions(self, alias: str) -> tuple[str | None, str | None]:
        """The versions that the local folder and MLflow name."""
        local, remote = self.served(alias), self.registered(alias)
        return local and local.manifest.version, remote and remote.manifest.version


def place(folder: Path) -> Place:
    return Place(Settings(var_dir=folder, mlflow_tracking_uri=f"sqlite:///{folder}/mlflow.db"))


@pytest.fixture(autouse=True)
def _environment_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow keeps the tracking address in the environment of the process."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tracking database without a run: to copy one is faster than to make its 50 tables."""
    folder = tmp_path_factory.mktemp("empty")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "")
        Registry(f"sqlite:///{folder}/mlflow.db", folder)
    return folder / "mlflow.db"


@pytest.fixture
def here(tmp_path: Path, empty_database: Path) -> Place:
    folder = tmp_path / "var"
    folder.mkdir()
    shutil.copy(empty_database, folder)
    return place(folder)


Give = Callable[[Candidate], None]


@pytest.fixture
def give(monkeypatch: pytest.MonkeyPatch) -> Give:
    """Let the next trainings come to this candidate, without the seconds that they take."""

    def give(made: Candidate) -> None:
        monkeypatch.setattr(publish, "evaluate", lambda *_: made.tables)
        monkeypatch.setattr(publish, "model_candidate", lambda *_: made)

    give(good())
    return give


def good() -> Candidate:
    """The shared candidate; without its models, which take MLflow seconds to log."""
    return replace(trained.candidate(), models=None)


def with_errors(factor: float, version: str) -> Candidate:
    """The same, had what it serves been wrong by `factor` times as much."""
    made = good()
    tables = {
        protocol: table.assign(
            **{
                model: table["y"] + factor * (table[model] - table["y"])
                for model in ("rf_xgb_mean", "arima")
            }
        )
        for protocol, table in made.tables.items()
    }
    manifest = made.manifest.model_copy(update={"version": version})
    return replace(made, manifest=manifest, tables=tables, files={**made.files, **_files(tables)})


@pytest.mark.usefixtures("give")
def test_the_first_training_that_passes_is_the_champion(here: Place) -> None:
    outcome = here.train()
    version = trained.candidate().manifest.version

    assert ("champion", f"{version} is the new champion.") == (outcome.alias, outcome.sentence)
    assert outcome.verdict.passed
    assert (version, version) == here.versions("champion")
    assert (None, None) == here.versions("challenger")
    assert here.folder / "bundles" / version == (here.folder / "champion").resolve()


@pytest.mark.usefixtures("give")
def test_the_same_training_again_keeps_its_place(here: Place) -> None:
    first, second = here.train(), here.train()

    assert first.sentence == second.sentence
    assert 4 == len(first.verdict.checks)
    assert 6 == len(second.verdict.checks)
    assert second.verdict.passed
    assert 1 == len(list((here.folder / "bundles").iterdir()))


def test_a_candidate_worse_than_the_champion_stays_challenger(here: Place, give: Give) -> None:
    give(with_errors(0.5, "2012-10-26-better"))
    here.train()
    give(good())
    outcome = here.train()
    version = trained.candidate().manifest.version

    assert "challenger" == outcome.alias
    assert outcome.sentence.startswith(
        f"{version} stays challenger and the champion is kept: "
        "one_step WMAE of rf_xgb_mean against the champion's rf_xgb_mean on 39 equal weeks: "
    )
    # Twice the error, against a limit of 1% more than the champion's.
    assert outcome.sentence.endswith("(+98.0%).")
    assert 2 == len(outcome.verdict.shortfalls)
    assert ("2012-10-26-better", "2012-10-26-better") == here.versions("champion")
    assert (version, version) == here.versions("challenger")


def test_a_better_candidate_takes_the_place_of_the_champion(here: Place, give: Give) -> None:
    here.train()
    give(with_errors(0.5, "2012-10-26-better"))

    assert "champion" == here.train().alias
    assert ("2012-10-26-better", "2012-10-26-better") == here.versions("champion")


def test_where_no_model_beats_the_baseline_the_baseline_is_the_first_champion(
    here: Place, give: Give
) -> None:
    give(with_errors(3.0, "2012-10-26-bad"))
    outcome = here.train()
    champion = here.served("champion")
    assert champion is not None

    assert "champion" == outcome.alias
    assert ("baseline", BASELINE_NOTE) == (champion.manifest.kind, champion.manifest.note)
    assert outcome.sentence.startswith(
        f"{BASELINE_NOTE} Published as champion {champion.manifest.version}: "
        "one_step WMAE of rf_xgb_mean against seasonal_naive_growth: "
    )
    assert 2 * [champion.manifest.version] == list(here.versions("champion"))
    assert ("2012-10-26-bad", "2012-10-26-bad") == here.versions("challenger")


def test_models_that_beat_it_take_the_place_of_the_baseline(here: Place, give: Give) -> None:
    give(with_errors(3.0, "2012-10-26-bad"))
    here.train()
    give(good())
    outcome = here.train()

    assert "champion" == outcome.alias
    assert any("the champion's seasonal_naive_growth" in str(c) for c in outcome.verdict.checks)
    champion = here.served("champion")
    assert champion is not None
    assert "models" == champion.manifest.kind


@pytest.mark.parametrize("weeks", [2, 40])
def test_data_too_short_for_models_is_answered_by_the_baseline(here: Place, weeks: int) -> None:
    outcome = here.train(trained.first_weeks(weeks))
    champion = here.served("champion")
    assert champion is not None

    assert "champion" == outcome.alias
    assert outcome.sentence.startswith(
        f"{BASELINE_NOTE} Published as champion {champion.manifest.version}: "
    )
    assert 2 * [champion.manifest.version] == list(here.versions("champion"))
    assert (None, None) == here.versions("challenger")


def test_data_too_short_for_any_judgement_says_so(here: Place) -> None:
    outcome = here.train(trained.first_weeks(66))

    assert outcome.sentence.endswith(
        ": there are too few weeks for windows that could judge the models."
    )
    assert ("one_step", "many_steps") == tuple(outcome.tables)


@pytest.mark.usefixtures("give")
def test_data_too_short_for_models_does_not_touch_a_champion(here: Place) -> None:
    here.train()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publish, "model_candidate", _too_short)
        with pytest.raises(NotEnoughData):
            here.train(trained.first_weeks(40))

    version = trained.candidate().manifest.version
    assert (version, version) == here.versions("champion")


def _too_short(*_: object) -> Candidate:
    raise NotEnoughData("too short")


def test_a_champion_of_the_sample_is_no_rival_for_real_sales(here: Place, give: Give) -> None:
    better = with_errors(0.5, "2012-10-26-sample")
    training = better.manifest.training.model_copy(update={"source": SAMPLE})
    give(replace(better, manifest=better.manifest.model_copy(update={"training": training})))
    here.train(source=SAMPLE)
    give(good())

    assert "champion" == here.train(source="my.csv").alias


@pytest.mark.usefixtures("give")
def test_the_report_is_kept_beside_the_bundle_with_its_pictures(here: Place) -> None:
    outcome = here.train()
    client = MlflowClient(here.settings.mlflow_tracking_uri)
    version = client.get_model_version_by_alias(BUNDLE_MODEL, "champion")
    report = Path(client.download_artifacts(version.run_id, "report", str(here.folder)))

    for protocol in ("one_step", "many_steps"):
        picture = (report / f"forecasts_{protocol}.png").read_bytes()
        assert picture.startswith(b"\x89PNG")
        assert f"{outcome.tables[protocol]}\n" == (report / f"scores_{protocol}.md").read_text()
    assert 4 == len(list(report.iterdir()))


@pytest.mark.usefixtures("give")
def test_the_local_bundle_is_the_registered_one_byte_for_byte(here: Place) -> None:
    here.train()
    registry = Registry(here.settings.mlflow_tracking_uri, here.folder / "elsewhere")
    fetched = registry.fetch(BUNDLE_MODEL, "champion")
    assert fetched is not None

    local = {file.name: file.read_bytes() for file in (here.folder / "champion").iterdir()}
    assert local == {file.name: file.read_bytes() for file in fetched.iterdir()}
    assert MANIFEST in local


# Where a training is killed -> does the local folder, does MLflow name the new bundle then?
MOMENTS = {
    "before: publish.write_bundle": (False, False),
    "before: publish.record": (False, False),
    "before: sales_forecast.training.tracking.log._log_child": (False, False),
    "after: publish.record": (False, False),
    # The first link says that MLflow may not know the bundle yet, the second that it is champion.
    "before: publish.point": (False, False),
    "before: 2nd publish.point": (False, True),
    "after: 2nd publish.point": (True, True),
}
KILLED = """
import importlib, os, pickle, signal, sys
from pathlib import Path
from sales_forecast import publish
from tests import test_publish, trained

folder, moment = Path(sys.argv[1]), sys.argv[2]
made = pickle.loads(Path(sys.argv[3]).read_bytes())
publish.evaluate = lambda *_: made.tables
publish.model_candidate = lambda *_: made
when, place = moment.split(": ")
left = 2 if "2nd " in place else 1
place = place.removeprefix("2nd ")
module_name, function_name = place.rsplit(".", 1)
module = publish if module_name == "publish" else importlib.import_module(module_name)
whole = getattr(module, function_name)

def deadly(*arguments, **named):
    global left
    left -= 1
    if left or when == "after":
        done = whole(*arguments, **named)
        if left:
            return done
    os.kill(os.getpid(), signal.SIGKILL)

setattr(module, function_name, deadly)
test_publish.place(folder).train(trained.panel())
"""


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_training_killed_at_any_moment_leaves_the_last_good_state_and_the_next_one_works(
    here: Place, give: Give, tmp_path: Path, moment: str
) -> None:
    old = trained.candidate().manifest.version
    new = replace(with_errors(0.5, "2012-10-26-new"), models=trained.candidate().models)
    here.train()
    pickled = tmp_path / "candidate.pickle"
    pickled.write_bytes(pickle.dumps(new))
    done = subprocess.run(
        [sys.executable, "-c", KILLED, here.folder, moment, pickled],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    switched = MOMENTS[moment]

    assert -signal.SIGKILL == done.returncode, done.stderr
    assert tuple("2012-10-26-new" if each else old for each in switched) == here.versions(
        "champion"
    )
    give(replace(new, models=None))
    assert "champion" == here.train().alias
    assert ("2012-10-26-new", "2012-10-26-new") == here.versions("champion")


def _odd_stores(y: np.ndarray) -> None:
    y[0, :-1] = np.nan  # known for its last week alone
    y[1] = 0.0  # sells nothing
    y[2] = -5.0  # returns alone
    y[3] = 5000.0  # never changes


ODD_SALES: dict[str, Callable[[np.ndarray], None]] = {
    "four odd stores": _odd_stores,
    "nothing sold at all": lambda y: y.fill(0.0),
    "nothing sold from some week on": lambda y: y[:, 70:].fill(0.0),
    "two weeks far apart": lambda y: y[:, 1:-1].fill(np.nan),
}


@pytest.mark.parametrize("change", ODD_SALES.values(), ids=ODD_SALES)
def test_odd_sales_still_end_in_a_champion_that_answers(
    here: Place, change: Callable[[np.ndarray], None]
) -> None:
    panel = sample_panel(5 if change is _odd_stores else 3)
    change(panel.y)
    assert "champion" == here.train(panel).alias
    assert here.served("champion") is not None


def test_a_baseline_on_short_data_is_renewed_with_the_next_week(here: Place) -> None:
    first, second = (here.train(trained.first_weeks(number)) for number in (40, 41))
    assert ("champion", "champion") == (first.alias, second.alias)
    assert first.sentence != second.sentence
    assert not second.sentence.endswith("..")
    bundle = here.served("champion")
    assert bundle is not None
    assert trained.first_weeks(41).last == bundle.manifest.training.last_week
