from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest

from sales_forecast.bundles.bundle import (
    MANIFEST,
    TREES,
    point,
    read_bundle,
    read_manifest,
    trained_on,
    write_bundle,
)
from sales_forecast.bundles.manifest import (
    AnsweredBy,
    Factors,
    Manifest,
    StoredIntervals,
    StoredPanel,
    StoredProfile,
    TrainingWindow,
)
from sales_forecast.data.panel import Panel
from sales_forecast.errors import BundleRefused, SettingsError
from sales_forecast.features.calendar_effects import PooledProcess
from sales_forecast.features.features import FEATURE_NAMES
from sales_forecast.features.gaussian import Hyperparameters
from sales_forecast.models.intervals import IntervalFactors, Intervals
from tests.builders import sample_panel, weeks

ROOT = Path(__file__).parents[1]
FILES = {TREES: b"two trees", "backtest_one_step.csv.gz": b"a table"}
WEEKS = np.array(["2012-10-12", "2012-10-19", "2012-10-26"], dtype="datetime64[D]")
PANEL = Panel(
    y=np.array([[1.5, np.nan, 0.1 + 0.2], [np.nan, -4.0, 1e17]]),
    periods=WEEKS,
    series=("1", "22"),
    conditions={"CPI": np.array([[211.0, np.nan, 212.0], [np.nan, 130.1234567, 131.0]])},
)
PROFILE = PooledProcess(
    Hyperparameters(*np.linspace(0.1, 0.3, 11)),
    Hyperparameters(*np.linspace(0.2, 0.4, 11)),
    WEEKS[-1],
).calendar(sample_panel(2))


def stored(factors: Factors) -> StoredIntervals:
    return StoredIntervals(factors={80: factors, 95: factors}, widths={"1": 0.8, "22": 1.5})


def manifest(**changes: object) -> Manifest:
    given: dict[str, object] = {
        "version": "2012-10-26-0123abcd",
        "kind": "models",
        "trained_at": datetime(2026, 1, 2, tzinfo=UTC),
        "git_commit": None,
        "training": TrainingWindow(
            first_week=date(2012, 10, 12),
            last_week=date(2012, 10, 26),
            series=PANEL.series,
            fingerprint=PANEL.fingerprint,
            source="sales.csv",
        ),
        "feature_names": FEATURE_NAMES,
        "calendar": StoredProfile.of(PROFILE),
        "theta": {"1": -0.4},
        "condition_ranges": {"CPI": (130.1234567, 212.0)},
        "answered_by": AnsweredBy(
            predict_sales="rf_xgb_mean", forecast_sales="arima", best="pooled"
        ),
        "intervals": {
            "rf_xgb_mean": stored(Factors(lower=(0.9,), upper=(1.1,))),
            "arima": stored(Factors(lower=(0.9, None), upper=(1.1, None))),
            "pooled": stored(Factors(lower=(0.8, None), upper=(1.2, None))),
        },
        "scores": {"one_step": {"naive": {"wmae": 12.5}}},
        "scores_by_series": {"one_step": {"naive": {"1": 10.0, "22": 15.0}}},
        "golden": None,
    }
    return Manifest.model_validate(given | changes)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "bundles" / "good", manifest(), FILES)


def killed(code: str, *arguments: Path) -> None:
    """Run code that must end in `kill -9` of its own process."""
    preamble = """
        import os, signal, sys
        from pathlib import Path
        from sales_forecast.bundle import point, write_bundle
        from tests.test_bundle import FILES, manifest

        def die(*_: object) -> None:
            os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(preamble) + textwrap.dedent(code), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert -signal.SIGKILL == done.returncode, done.stderr


def test_a_bundle_reads_back_as_it_was_written(folder: Path) -> None:
    bundle = read_bundle(folder)

    assert manifest() == bundle.manifest.model_copy(update={"checksums": {}})
    assert FILES[TREES] == bundle.trees
    assert {MANIFEST, *FILES} == {file.name for file in folder.iterdir()}
    read = bundle.manifest.calendar
    assert read is not None
    ends = weeks("2012-11-02", 60)
    np.testing.assert_array_equal(
        PROFILE.at(("1", "2", "new"), ends), read.profile().at(("1", "2", "new"), ends)
    )


def test_other_users_may_read_a_bundle(folder: Path) -> None:
    assert 0o755 == folder.stat().st_mode & 0o777


def test_a_panel_with_gaps_comes_back_bit_by_bit() -> None:
    text = StoredPanel.of(PANEL).model_dump_json()
    back = StoredPanel.model_validate_json(text).panel()

    assert PANEL.fingerprint == back.fingerprint
    np.testing.assert_array_equal(PANEL.y, back.y)
    np.testing.assert_array_equal(PANEL.periods, back.periods)
    assert "NaN" not in text


def test_intervals_come_back_as_they_were_also_those_that_were_not_measured() -> None:
    measured = IntervalFactors(np.array([0.9, 0.1 + 0.2]), np.array([1.1, 1.3]))
    unknown = IntervalFactors(np.array([0.9, np.nan]), np.array([1.1, np.nan]))
    intervals = Intervals({80: measured, 95: unknown}, {"1": 0.7, "22": 1.4})
    text = StoredIntervals.of(intervals).model_dump_json()
    back = StoredIntervals.model_validate_json(text).intervals()

    assert intervals.widths == back.widths
    assert [80, 95] == list(back.factors)
    for level, factors in intervals.factors.items():
        np.testing.assert_array_equal(factors.lower, back.factors[level].lower)
        np.testing.assert_array_equal(factors.upper, back.factors[level].upper)


def test_a_bundle_that_is_there_already_is_kept(folder: Path) -> None:
    assert folder == write_bundle(folder, manifest(note="another"), {TREES: b"others"})
    assert b"two trees" == read_bundle(folder).trees


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="bundle cannot be written: No such file"):
        write_bundle(tmp_path / "bundle", manifest(), {**FILES, "no/such/folder": b""})

    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("files_written", [1, 2, 3])
def test_a_bundle_whose_writer_is_killed_does_not_exist(tmp_path: Path, files_written: int) -> None:
    folder = tmp_path / "bundles" / "new"
    killed(
        f"""
        written = []
        os.fsync = lambda file: written.append(file) or len(written) < {files_written} or die()
        write_bundle(Path(sys.argv[1]), manifest(), FILES)
        """,
        folder,
    )

    assert not folder.exists()
    assert write_bundle(folder, manifest(), FILES) == folder
    assert FILES[TREES] == read_bundle(folder).trees


def test_a_link_whose_writer_is_killed_still_names_the_old_bundle(
    folder: Path, tmp_path: Path
) -> None:
    link = tmp_path / "champion"
    point(link, folder)
    killed(
        """
        Path.replace = die
        point(Path(sys.argv[1]), Path(sys.argv[2]))
        """,
        link,
        tmp_path / "bundles" / "other",
    )

    assert folder == link.resolve()


def test_a_link_can_be_pointed_elsewhere(folder: Path, tmp_path: Path) -> None:
    other = write_bundle(tmp_path / "bundles" / "other", manifest(version="other"), FILES)
    link = tmp_path / "new" / "folder" / "champion"

    point(link, folder)
    assert "2012-10-26-0123abcd" == read_manifest(link).version
    point(link, other)
    assert "other" == read_manifest(link).version
    assert [link] == list(link.parent.iterdir())


def test_a_link_survives_that_the_whole_folder_moves(folder: Path, tmp_path: Path) -> None:
    point(folder.parent / "champion", folder)
    moved = shutil.move(folder.parent, tmp_path / "moved")

    assert "2012-10-26-0123abcd" == read_manifest(Path(moved) / "champion").version


def test_a_reader_sees_the_old_bundle_or_the_new_one_and_never_none(
    folder: Path, tmp_path: Path
) -> None:
    other = write_bundle(tmp_path / "bundles" / "other", manifest(version="other"), FILES)
    link = tmp_path / "champion"
    point(link, folder)
    done = Event()

    def swap() -> None:
        for number in range(400):
            point(link, other if number % 2 else folder)
        done.set()

    writer = Thread(target=swap)
    writer.start()
    seen = set()
    while not done.is_set():
        seen.add(link.readlink().name)  # raises where there is no link
    writer.join()

    assert seen <= {"good", "other"}
    assert seen


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


@pytest.mark.parametrize("name", sorted(FILES))
@pytest.mark.parametrize("damage", [flip, truncate])
def test_a_damaged_file_is_refused_by_its_name(
    folder: Path, name: str, damage: Callable[[Path], None]
) -> None:
    damage(folder / name)

    with pytest.raises(BundleRefused) as refused:
        read_bundle(folder)
    assert refused.value.message == (
        f"{folder}: {name} is damaged: its checksum is not the manifest's"
    )


def test_a_missing_file_is_refused_by_its_name(folder: Path) -> None:
    (folder / TREES).unlink()

    with pytest.raises(BundleRefused) as refused:
        read_bundle(folder)
    assert f"{folder}: {TREES} cannot be read: No such file or directory" == refused.value.message


def test_a_bundle_of_models_without_trees_is_refused(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "treeless", manifest(), {})

    with pytest.raises(BundleRefused) as refused:
        read_bundle(folder)
    assert f"{folder}: trees.onnx is missing" == refused.value.message


def test_a_baseline_needs_no_trees(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "baseline", manifest(kind="baseline"), {})

    assert b"" == read_bundle(folder).trees


def test_no_bundle_at_all_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(BundleRefused) as refused:
        read_bundle(tmp_path / "nothing")

    assert refused.value.message == (
        f"no model bundle at {tmp_path / 'nothing'} (No such file or directory). "
        "Run `python train.py` first, or set MODEL_URI."
    )
    assert {"model_uri": str(tmp_path / "nothing")} == refused.value.fields


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"format": 2}, "format: Input should be 3. Run `python train.py` again."),
        ({"surprise": 1}, "surprise: Extra inputs are not permitted"),
        ({"theta": {"1": "much"}}, "theta.1: Input should be a valid number"),
        ({"kind": "magic"}, "kind: Input should be 'models' or 'baseline'"),
        (
            {"answered_by": {"predict_sales": "x", "forecast_sales": "arima", "best": "magic"}},
            "answered_by.best: Input should be 'arima', 'pooled' or 'seasonal_naive_growth'",
        ),
    ],
)
def test_a_manifest_of_another_form_is_refused_where_it_differs(
    folder: Path, changes: dict[str, object], where: str
) -> None:
    file = folder / MANIFEST
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))

    with pytest.raises(BundleRefused) as refused:
        read_bundle(folder)
    assert refused.value.message.startswith(f"{file}: {where}")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"<html>", b'{"format": 1'])
def test_a_manifest_that_is_no_json_is_refused(folder: Path, content: bytes) -> None:
    (folder / MANIFEST).write_bytes(content)

    with pytest.raises(BundleRefused) as refused:
        read_bundle(folder)
    assert refused.value.message.startswith(f"{folder / MANIFEST}: the file: Invalid JSON")


def test_the_bundle_that_was_made_of_this_data_is_found(folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    found = trained_on(PANEL, [broken, folder])

    assert found == read_manifest(folder)


def test_data_that_differs_in_one_value_was_not_trained_on(folder: Path) -> None:
    y = PANEL.y.copy()
    y[0, 0] += 0.01
    changed = Panel(y, PANEL.periods, PANEL.series, PANEL.conditions)

    assert trained_on(changed, [folder]) is None


def test_models_of_other_features_count_as_not_trained_but_a_baseline_has_none(
    tmp_path: Path,
) -> None:
    models = write_bundle(tmp_path / "m", manifest(feature_names=FEATURE_NAMES[::-1]), FILES)
    baseline = write_bundle(tmp_path / "b", manifest(feature_names=(), kind="baseline"), {})

    assert trained_on(PANEL, [models]) is None
    assert read_manifest(baseline) == trained_on(PANEL, [models, baseline])
