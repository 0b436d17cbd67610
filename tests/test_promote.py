from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import signal
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from mlflow.tracking import MlflowClient
from threadpoolctl import threadpool_limits

from sales_forecast.bundles.bundle import MANIFEST, ORIGIN, Bundle, read_bundle, seal
from sales_forecast.bundles.conformance import verify
from sales_forecast.bundles.downloads import VERSION_TAG
from sales_forecast.data.admission import SAMPLE
from sales_forecast.data.database import Database
from sales_forecast.data.deployments import Cause, Deployment, Deployments
from sales_forecast.data.one_job import one_job
from sales_forecast.data.panel import Panel
from sales_forecast.errors import DatabaseError, NotEnoughData
from sales_forecast.models.naive import GROWTH_ANSWERS
from sales_forecast.params import DEFAULTS, read_params
from sales_forecast.settings import Settings
from sales_forecast.training import promote, promotion
from sales_forecast.training import tables as stored_tables
from sales_forecast.training.challenger import Challenger
from sales_forecast.training.promote import Outcome, train_and_promote
from sales_forecast.training.tracking.client import BUNDLE_MODEL, TrackingServer
from tests import trained
from tests.builders import sample_panel
from tests.killed import in_a_fork
from tests.shared import empty_mlflow


@dataclass(frozen=True)
class Place:
    """Where a training promotes, and what is to be seen there afterwards."""

    settings: Settings

    @property
    def folder(self) -> Path:
        return self.settings.var_dir

    def train(self, panel: Panel | None = None, source: str = trained.SOURCE) -> Outcome:
        # Other tests keep the cores busy, and then the threads of XGBoost cost tenfold.
        with threadpool_limits(1):
            return train_and_promote(
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
        server = TrackingServer(self.settings.mlflow_tracking_uri, self.folder)
        folder = server.fetch(BUNDLE_MODEL, alias)
        return None if folder is None else read_bundle(folder)

    def versions(self, alias: str) -> tuple[str | None, str | None]:
        """The versions that the local folder and MLflow name."""
        local, remote = self.served(alias), self.registered(alias)
        return local and local.version, remote and remote.version

    def deployments(self) -> Sequence[Deployment]:
        """Who was champion, the first one first."""
        with closing(Deployments(self.settings.database_url)) as deployments:
            return deployments.all()


def place(folder: Path) -> Place:
    return Place(Settings(var_dir=folder, mlflow_tracking_uri=f"sqlite:///{folder}/mlflow.db"))


@pytest.fixture(autouse=True)
def _environment_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow keeps the tracking address in the environment of the process."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")


@pytest.fixture(scope="module")
def empty_databases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Databases without a run and without sales: to copy them is faster than to make 60 tables."""
    folder = tmp_path_factory.mktemp("empty")
    empty_mlflow(folder / "mlflow.db")
    with closing(Database(f"sqlite:///{folder}/sales.db")) as database:
        database.migrate()
    return folder


@pytest.fixture
def here(tmp_path: Path, empty_databases: Path) -> Place:
    return place(shutil.copytree(empty_databases, tmp_path / "var"))


Give = Callable[[Challenger], None]


@pytest.fixture
def give(monkeypatch: pytest.MonkeyPatch) -> Give:
    """Let the next trainings come to this challenger, without the seconds that they take."""

    def give(made: Challenger) -> None:
        monkeypatch.setattr(promote, "evaluate", lambda *_: made.tables)
        monkeypatch.setattr(promote, "model_challenger", lambda *_: made)

    give(good())
    return give


def good() -> Challenger:
    """The shared challenger; without its models, which take MLflow seconds to log."""
    return replace(trained.challenger(), models={})


def with_errors(factor: float) -> Challenger:
    """The same, had what it serves been wrong by `factor` times as much."""
    made = good()
    serving = made.manifest.answered_by
    tables = {
        protocol: table.assign(
            **{
                model: table["y"] + factor * (table[model] - table["y"])
                for model in ("rf_xgb_mean", "arima")
            }
        )
        for protocol, table in made.tables.items()
    }
    files = without_seal(made) | stored_tables.files(tables, serving.models)
    return replace(made, sealed=seal(made.manifest, made.origin, files), tables=tables)


def without_seal(made: Challenger) -> dict[str, bytes]:
    """The files of a bundle but manifest and origin."""
    files = made.sealed.files
    return {name: content for name, content in files.items() if name not in {MANIFEST, ORIGIN}}


def of_the_sample(made: Challenger) -> Challenger:
    """The same, made of the sample."""
    origin = made.origin.model_copy(update={"source": SAMPLE})
    sealed = seal(made.manifest, origin, without_seal(made))
    return replace(made, sealed=sealed, origin=origin)


@pytest.mark.usefixtures("give")
def test_the_first_training_that_passes_is_the_champion(here: Place) -> None:
    outcome = here.train()
    version = trained.challenger().version

    assert ("champion", f"{version} is the new champion.") == (outcome.alias, outcome.sentence)
    assert outcome.verdict.passed
    assert (version, version) == here.versions("champion")
    assert (None, None) == here.versions("challenger")
    assert here.folder / "bundles" / version == (here.folder / "champion").resolve()


def test_who_is_champion_is_written_down_with_the_reason_and_the_verdict(
    here: Place, give: Give
) -> None:
    first, better = good().version, with_errors(0.5)
    here.train()
    here.train()
    give(better)
    asked = Cause("monitor.py run", "sales fell")
    train_and_promote(trained.panel(), "x", here.settings, trained.silent, asked)
    before, now = here.deployments()

    assert (first, better.version) == (before.model_version, now.model_version)
    assert (now.since, None) == (before.until, now.until)
    assert before.cause.by.startswith("train.py, ")
    assert "a training was asked for; all 4 checks of the gate were passed" == before.cause.reason
    assert now.cause.by.startswith("monitor.py run, ")
    assert now.cause.reason.startswith("sales fell; all 6 checks of the gate were passed")
    verdict = json.loads(now.cause.verdict)
    assert verdict["passed"]
    assert {"what", "value", "limit", "passed"} == set(verdict["checks"][5])

    give(good())
    here.train()
    assert 2 == len(here.deployments())


def test_a_champion_that_was_made_elsewhere_is_written_down_as_found(here: Place) -> None:
    here.train(trained.first_weeks(40))
    Path(here.folder / "sales.db").unlink()
    with closing(Database(here.settings.database_url)) as database:
        database.migrate()
    here.train(trained.first_weeks(41))
    found, made = here.deployments()
    assert found.cause.reason.startswith("found as champion: made so elsewhere, ")
    assert made.cause.reason.startswith("a training was asked for; ")
    assert made.cause.reason.endswith(GROWTH_ANSWERS)


@pytest.mark.usefixtures("give")
def test_two_trainings_at_once_are_one_and_a_refusal(here: Place) -> None:
    with (
        one_job(here.settings.database_url, "train"),
        pytest.raises(DatabaseError, match="Another training is at work on this database"),
    ):
        here.train()
    assert not (here.folder / "bundles").exists()
    assert "champion" == here.train().alias


@pytest.mark.usefixtures("give")
def test_the_same_training_again_keeps_its_place(here: Place) -> None:
    first, second = here.train(), here.train()

    assert first.sentence == second.sentence
    assert 4 == len(first.verdict.checks)
    assert 6 == len(second.verdict.checks)
    assert second.verdict.passed
    assert 1 == len(list((here.folder / "bundles").iterdir()))


def test_a_challenger_worse_than_the_champion_stays_challenger(here: Place, give: Give) -> None:
    better = with_errors(0.5)
    give(better)
    here.train()
    give(good())
    outcome = here.train()
    version = trained.challenger().version

    assert "challenger" == outcome.alias
    assert outcome.sentence.startswith(
        f"{version} stays challenger and the champion is kept: "
        "one_step WMAE of rf_xgb_mean against the champion's rf_xgb_mean on 39 equal weeks: "
    )
    # Twice the error, against a limit of 1% more than the champion's.
    assert outcome.sentence.endswith("(+98.0%).")
    assert 2 == len(outcome.verdict.shortfalls)
    assert version != better.version
    assert (better.version, better.version) == here.versions("champion")
    assert (version, version) == here.versions("challenger")


def test_a_better_challenger_takes_the_place_of_the_champion(here: Place, give: Give) -> None:
    here.train()
    better = with_errors(0.5)
    give(better)

    assert "champion" == here.train().alias
    assert (better.version, better.version) == here.versions("champion")


def test_where_no_model_beats_the_baseline_the_baseline_is_the_first_champion(
    here: Place, give: Give
) -> None:
    bad = with_errors(3.0)
    give(bad)
    outcome = here.train()
    champion = here.served("champion")
    assert champion is not None

    assert "champion" == outcome.alias
    note = f"No model has beaten the growth baseline on this data yet. {GROWTH_ANSWERS}"
    assert ("baseline", note) == (champion.manifest.kind, champion.manifest.note)
    assert outcome.sentence.startswith(
        f"{note} Published as champion {champion.version}. "
        "one_step WMAE of rf_xgb_mean against seasonal_naive_growth: "
    )
    assert 2 * [champion.version] == list(here.versions("champion"))
    assert (bad.version, bad.version) == here.versions("challenger")


def test_models_that_beat_it_take_the_place_of_the_baseline(here: Place, give: Give) -> None:
    give(with_errors(3.0))
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
    assert champion.manifest.note.endswith(
        f"the longest has {weeks}. Load at least {56 - weeks} more. {GROWTH_ANSWERS}"
    )
    said = f"{champion.manifest.note} Published as champion {champion.version}."
    assert said == outcome.sentence
    assert 2 * [champion.version] == list(here.versions("champion"))
    assert (None, None) == here.versions("challenger")


def test_data_too_short_for_any_judgement_says_so(here: Place) -> None:
    outcome = here.train(trained.first_weeks(66))

    assert outcome.sentence.startswith(
        f"There are too few weeks for windows that could judge the models. {GROWTH_ANSWERS} "
    )
    assert ("one_step", "many_steps") == tuple(outcome.tables)


@pytest.mark.usefixtures("give")
def test_data_too_short_for_models_does_not_touch_a_champion(here: Place) -> None:
    here.train()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(promote, "model_challenger", _too_short)
        with pytest.raises(NotEnoughData):
            here.train(trained.first_weeks(40))

    version = trained.challenger().version
    assert (version, version) == here.versions("champion")


def _too_short(*_: object) -> Challenger:
    raise NotEnoughData("too short")


def test_a_champion_of_the_sample_is_no_rival_for_real_sales(here: Place, give: Give) -> None:
    give(of_the_sample(with_errors(0.5)))
    here.train(source=SAMPLE)
    give(good())

    assert "champion" == here.train(source="my.csv").alias


def older(folder: Path) -> None:
    (folder / MANIFEST).write_text('{"format": 3, "version": "2012-10-26-7ac8d427"}')


def praised(folder: Path) -> None:
    """What the champion is judged by says that it never erred."""
    file = folder / "backtest_one_step.csv.gzip"
    table = stored_tables.read(folder)["one_step"]
    right = table.assign(rf_xgb_mean=table["y"], seasonal_naive_growth=table["y"])
    file.write_bytes(stored_tables.files({"one_step": right}, ["rf_xgb_mean"])[file.name])


@pytest.mark.parametrize("change", [older, praised])
def test_a_champion_that_nobody_could_serve_is_no_rival(
    here: Place, give: Give, change: Callable[[Path], None]
) -> None:
    give(with_errors(0.5))
    here.train()
    server = TrackingServer(here.settings.mlflow_tracking_uri, here.folder)
    folder = server.fetch(BUNDLE_MODEL, "champion")
    assert folder is not None
    change(folder)
    give(good())

    outcome = here.train()
    assert "champion" == outcome.alias
    assert 4 == len(outcome.verdict.checks)


def test_a_champion_that_was_exchanged_in_the_registry_is_no_rival(here: Place, give: Give) -> None:
    """Else every training would be refused, and that is what the message says to do."""
    give(with_errors(0.5))
    here.train()
    client = MlflowClient(here.settings.mlflow_tracking_uri)
    client.set_model_version_tag(BUNDLE_MODEL, "1", VERSION_TAG, "2012-10-26-0123456789ab")
    give(good())

    outcome = here.train()
    assert "champion" == outcome.alias
    assert 2 * [good().version] == list(here.versions("champion"))


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
    assert DEFAULTS == read_params(report / "params.json")  # JSON is YAML
    assert 5 == len(list(report.iterdir()))


@pytest.mark.usefixtures("give")
def test_the_local_bundle_is_the_registered_one_byte_for_byte(here: Place) -> None:
    here.train()
    server = TrackingServer(here.settings.mlflow_tracking_uri, here.folder / "elsewhere")
    fetched = server.fetch(BUNDLE_MODEL, "champion")
    assert fetched is not None

    local = {file.name: file.read_bytes() for file in (here.folder / "champion").iterdir()}
    assert local == {file.name: file.read_bytes() for file in fetched.iterdir()}
    assert MANIFEST in local


# Where a training is killed -> does the local folder, does MLflow name the new bundle then?
MOMENTS = {
    "before: promotion.write_bundle": (False, False),
    "before: promotion.log": (False, False),
    "before: sales_forecast.training.tracking.log._log_child": (False, False),
    "after: promotion.log": (False, False),
    # The first link says that MLflow may not know the bundle yet, the second that it is champion.
    "before: promotion.set_alias": (False, False),
    "before: 2nd promotion.set_alias": (False, True),
    "after: 2nd promotion.set_alias": (True, True),
}


def dies(here: Place, moment: str) -> int:
    """Train in a process that is killed at a moment."""
    when, number, module, name = re.fullmatch(r"(\w+): (2nd )?(.+)\.(\w+)", moment).groups()
    at = promotion if module == "promotion" else importlib.import_module(module)
    whole, left = getattr(at, name), 2 if number else 1

    def deadly(*arguments: object, **named: object) -> object:
        nonlocal left
        left -= 1
        if left or when == "after":
            done = whole(*arguments, **named)
            if left:
                return done
        os.kill(os.getpid(), signal.SIGKILL)
        return None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(at, name, deadly)
        return in_a_fork(here.train)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_training_killed_at_any_moment_leaves_the_last_good_state_and_the_next_one_works(
    here: Place, give: Give, moment: str
) -> None:
    old = trained.challenger().version
    new = with_errors(0.5)
    here.train()
    # MLflow takes ten seconds to log models: they are there where it is to be killed at one.
    give(replace(new, models=trained.challenger().models if "_log_child" in moment else {}))
    assert signal.SIGKILL == dies(here, moment)
    expected = tuple(new.version if each else old for each in MOMENTS[moment])
    assert expected == here.versions("champion")
    give(replace(new, models={}))
    assert "champion" == here.train().alias
    assert (new.version, new.version) == here.versions("champion")
    assert [old, new.version] == [of.model_version for of in here.deployments()]


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
