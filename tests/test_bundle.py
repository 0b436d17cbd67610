"""The bundle: whole or not there, and what was changed in it is noticed."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest

from sales_forecast.bundles.bundle import (
    ARRAYS,
    MANIFEST,
    ORIGIN,
    TREES,
    Sealed,
    read_bundle,
    read_manifest,
    read_origin,
    seal,
)
from sales_forecast.bundles.conformance import load_bundle
from sales_forecast.bundles.manifest import (
    AnsweredBy,
    Manifest,
    Origin,
    StoredSpreadByAge,
    TrainingWindow,
)
from sales_forecast.bundles.panel_state import panel_of, state_of
from sales_forecast.bundles.states import Packed, Unpacked
from sales_forecast.bundles.writing import set_alias, write_bundle
from sales_forecast.data.panel import Panel
from sales_forecast.errors import BundleRefused, OlderBundle, SettingsError
from sales_forecast.features.features import FEATURE_NAMES
from sales_forecast.models.ages import OLD, YOUNG
from sales_forecast.models.arima import ARIMA
from sales_forecast.models.fitted.blends import FittedMean
from sales_forecast.models.fitted.regressor import FittedRegressor
from sales_forecast.models.fitted.restore import Restored
from sales_forecast.models.fitted.smoothing import FittedArima
from sales_forecast.models.naive import GROWTH
from sales_forecast.models.spread import Spread, SpreadByAge
from sales_forecast.training.again import trained_on
from tests import trained
from tests.builders import daily_panel, sample_panel
from tests.builders import panel_of as stores_of
from tests.killed import in_a_fork

TABLE = "backtest_one_step.csv.gzip"
CODE = "0123456789ab"
WEEKS = np.array(["2012-10-12", "2012-10-19", "2012-10-26"], dtype="datetime64[D]")
PANEL = Panel(
    y=np.array([[1.5, np.nan, 0.1 + 0.2], [np.nan, -4.0, 1e17]]),
    periods=WEEKS,
    series=("1", "22"),
    conditions={"CPI": np.array([[211.0, np.nan, 212.0], [np.nan, 130.1234567, 131.0]])},
)
SPREADS = SpreadByAge(
    {
        OLD: Spread(np.linspace(-1, 0.1 + 0.2, 99), 81, 8, 0.7, {"1": 0.7, "22": 1.4}, 0.2, 1.5),
        YOUNG: Spread.none(),
    },
    mean=0.1 + 1.1,
)


def origin(**changes: object) -> Origin:
    given = {
        "trained_at": datetime(2026, 1, 2, tzinfo=UTC),
        "git_commit": None,
        "code": CODE,
        "source": "sales.csv",
    }
    return Origin.model_validate(given | changes)


@cache
def fitted() -> FittedArima:
    return ARIMA.fit(sample_panel(2))


def sealed(files: Mapping[str, bytes] | None = None, **changes: object) -> Sealed:
    """A bundle of ARIMA, packed anew with each call."""
    states = Packed()
    arima = states.add(fitted().state)
    given: dict[str, object] = {
        "kind": "models",
        "training": TrainingWindow(
            first_week=date(2012, 10, 12),
            last_week=date(2012, 10, 26),
            series=PANEL.series,
            fingerprint=PANEL.fingerprint,
        ),
        "feature_names": FEATURE_NAMES,
        "answered_by": AnsweredBy(predict_sales="arima", forecast_sales="arima", best="arima"),
        "models": {"arima": arima},
        "things": tuple(states.things),
        "conformance": None,
        "condition_ranges": {"CPI": (130.1234567, 212.0)},
        "spreads": {"arima": StoredSpreadByAge.of(SPREADS)},
        "scores": {"one_step": {"naive": {"wmae": 12.5}}},
        "checksums": {},
    }
    manifest = Manifest.model_validate(given | changes)
    return seal(manifest, origin(), {TABLE: b"a table", ARRAYS: states.npz(), **(files or {})})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "bundles", sealed())


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_bundle_reads_back_as_it_was_written(folder: Path) -> None:
    bundle = read_bundle(folder)
    manifest = json.loads(sealed().files[MANIFEST])
    panel = sample_panel(2)

    assert manifest == bundle.manifest.model_dump(mode="json")
    assert {MANIFEST, ORIGIN, ARRAYS, TABLE} == {file.name for file in folder.iterdir()}
    assert (folder.name, origin(), None) == (bundle.version, bundle.origin, bundle.conformance)
    assert ["arima"] == [*bundle.models] == [*bundle.spreads]
    np.testing.assert_array_equal(
        fitted().predict(panel, 60), bundle.models["arima"].predict(panel, 60)
    )


def test_the_version_is_the_last_week_and_the_digest_of_all_but_the_origin() -> None:
    first = sealed()
    assert re.fullmatch("2012-10-26-[0-9a-f]{12}", first.version)
    digest = hashlib.sha256(first.files[MANIFEST]).hexdigest()
    assert first.version == f"2012-10-26-{digest[:12]}"
    manifest = Manifest.model_validate_json(first.files[MANIFEST])
    assert {TABLE, ARRAYS} == set(manifest.checksums)
    assert manifest.checksums[TABLE] == hashlib.sha256(b"a table").hexdigest()

    assert first.version == sealed().version
    files = {name: content for name, content in first.files.items() if name in {TABLE, ARRAYS}}
    elsewhere = seal(manifest, origin(source="another.csv", code="of another release"), files)
    assert first.version == elsewhere.version
    others = [sealed(note="another"), sealed({TABLE: b"another"}), sealed({"new": b""})]
    assert 4 == len({first.version, *(other.version for other in others)})


def test_other_users_may_read_a_bundle(folder: Path) -> None:
    assert 0o755 == folder.stat().st_mode & 0o777


def through_json(panel: Panel) -> Panel:
    packed = Packed()
    content = json.loads(json.dumps([packed.add({"kind": "x", **state_of(panel)}), packed.things]))
    return panel_of(Unpacked(content[1], packed.npz()).state(content[0]))


@pytest.mark.parametrize(
    "panel",
    [
        PANEL,
        stores_of([1.0, 2.0]),
        daily_panel(2, 20, ahead=5),
        replace(
            PANEL,
            traits={"kind": np.array(["a", "b"]), "size": np.array([1.5, np.nan])},
            pooled_by="kind",
        ),
    ],
    ids=["gaps", "conditions", "days with a plan", "pools"],
)
def test_a_panel_comes_back_bit_by_bit(panel: Panel) -> None:
    back = through_json(panel)

    assert panel.fingerprint == back.fingerprint
    assert (panel.series, panel.pooled_by, panel.frequency) == (
        back.series,
        back.pooled_by,
        back.frequency,
    )
    np.testing.assert_array_equal(panel.y, back.y)
    np.testing.assert_array_equal(panel.periods, back.periods)
    for ours, theirs in (
        (panel.conditions, back.conditions),
        (panel.plan, back.plan),
        (panel.traits, back.traits),
    ):
        assert ours.keys() == theirs.keys()
        for name, values in ours.items():
            np.testing.assert_array_equal(values, theirs[name])


def test_spreads_come_back_as_they_were_also_those_that_were_not_measured() -> None:
    content = {"spreads": {"m": StoredSpreadByAge.of(SPREADS)}}
    manifest = Manifest.model_validate_json(sealed(**content).files[MANIFEST])
    back = manifest.spreads["m"].spread()

    assert SPREADS.mean == back.mean
    assert [OLD, YOUNG] == [*back.of_age]
    for age, spread in SPREADS.of_age.items():
        ours, theirs = {**vars(spread)}, {**vars(back.of_age[age])}
        np.testing.assert_array_equal(ours.pop("shape"), theirs.pop("shape"))
        assert ours == theirs


def test_a_bundle_that_is_there_already_is_kept(folder: Path) -> None:
    written = (folder / MANIFEST).stat().st_mtime_ns

    assert folder == write_bundle(folder.parent, sealed())
    assert written == (folder / MANIFEST).stat().st_mtime_ns
    assert folder != write_bundle(folder.parent, sealed(note="another"))


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be written: No such file"):
        write_bundle(tmp_path, sealed({"no/such/folder": b""}))

    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("files_written", [1, 2, 3, 4])
def test_a_bundle_whose_writer_is_killed_does_not_exist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files_written: int
) -> None:
    written: list[int] = []

    def fsync(file: int) -> None:
        written.append(file)
        if len(written) == files_written:
            die()

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        assert signal.SIGKILL == in_a_fork(lambda: write_bundle(tmp_path, sealed()))

    assert not (tmp_path / sealed().version).exists()
    folder = write_bundle(tmp_path, sealed())
    assert tmp_path / sealed().version == folder
    assert folder.name == read_bundle(folder).version


def test_a_link_whose_writer_is_killed_still_names_the_old_bundle(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = tmp_path / "champion"
    set_alias(link, folder)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", die)
        other = tmp_path / "bundles" / "other"
        assert signal.SIGKILL == in_a_fork(lambda: set_alias(link, other))

    assert folder == link.resolve()


def test_a_link_can_be_pointed_elsewhere(folder: Path, tmp_path: Path) -> None:
    other = write_bundle(tmp_path / "bundles", sealed(note="other"))
    link = tmp_path / "new" / "folder" / "champion"

    set_alias(link, folder)
    assert folder.name == read_bundle(link).version
    set_alias(link, other)
    assert (other.name, "other") == (read_bundle(link).version, read_manifest(link).note)
    assert [link] == list(link.parent.iterdir())


def test_a_link_survives_that_the_whole_folder_moves(folder: Path, tmp_path: Path) -> None:
    set_alias(folder.parent / "champion", folder)
    moved = shutil.move(folder.parent, tmp_path / "moved")

    assert folder.name == read_bundle(Path(moved) / "champion").version


def test_a_reader_sees_the_old_bundle_or_the_new_one_and_never_none(
    folder: Path, tmp_path: Path
) -> None:
    other = write_bundle(tmp_path / "bundles", sealed(note="other"))
    link = tmp_path / "champion"
    set_alias(link, folder)
    done = Event()

    def swap() -> None:
        for number in range(400):
            set_alias(link, other if number % 2 else folder)
        done.set()

    writer = Thread(target=swap)
    writer.start()
    seen = set()
    while not done.is_set():
        seen.add(link.readlink().name)  # raises where there is no link
    writer.join()

    assert seen <= {folder.name, other.name}
    assert seen


# Damage, and tampering


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle as a training makes it, with trees, tables and questions."""
    return write_bundle(tmp_path_factory.mktemp("bundles"), trained.challenger().sealed)


@pytest.fixture
def copied(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / whole.name))


FILES = (ARRAYS, TREES, "backtest_one_step.csv.gzip", "backtest_many_steps.csv.gzip")


def test_a_training_makes_these_files_and_no_others(whole: Path) -> None:
    assert {MANIFEST, ORIGIN, *FILES} == {file.name for file in whole.iterdir()}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", [flip, truncate])
def test_a_damaged_file_is_refused_by_its_name(
    copied: Path, name: str, damage: Callable[[Path], None]
) -> None:
    damage(copied / name)

    with pytest.raises(BundleRefused) as refused:
        read_bundle(copied)
    assert refused.value.message == (
        f"{copied}: {name} is damaged: its checksum is not the manifest's"
    )


def numbers_in(
    content: object, path: tuple[str | int, ...] = ()
) -> Iterator[tuple[str | int, ...]]:
    """The paths to all numbers of a manifest."""
    children: Iterable[tuple[str | int, object]] = ()
    if isinstance(content, dict):
        children = content.items()
    elif isinstance(content, list):
        children = enumerate(content)
    elif isinstance(content, int | float):
        yield path
    for name, child in children:
        yield from numbers_in(child, (*path, name))


@pytest.mark.parametrize("part", ["scores", "spreads", "condition_ranges", "models", "things"])
def test_a_changed_number_of_the_manifest_is_refused(copied: Path, part: str) -> None:
    content = json.loads((copied / MANIFEST).read_text())
    paths = [path for path in numbers_in(content) if path[0] == part]
    *parents, last = paths[len(paths) // 2]
    place = content
    for name in parents:
        place = place[name]
    place[last] += 1 if isinstance(place[last], int) else 1e-9
    (copied / MANIFEST).write_text(json.dumps(content, indent=1))

    with pytest.raises(BundleRefused) as refused:
        read_bundle(copied)
    assert "It was changed or renamed. Run `python train.py` again." in refused.value.message


@pytest.mark.parametrize("before", ['"fingerprint": "', '"arima": {', '"last_week": "', '"wmae": '])
def test_a_changed_digit_of_the_manifest_is_refused(copied: Path, before: str) -> None:
    text = (copied / MANIFEST).read_text()
    digit = re.compile(r"[0-9]").search(text, text.index(before) + len(before))
    assert digit is not None
    other = "1" if digit[0] != "1" else "2"
    (copied / MANIFEST).write_text(text[: digit.start()] + other + text[digit.end() :])

    with pytest.raises(BundleRefused):
        read_bundle(copied)


def test_space_that_means_nothing_is_a_change_too(copied: Path) -> None:
    (copied / MANIFEST).write_bytes((copied / MANIFEST).read_bytes() + b" ")

    with pytest.raises(BundleRefused, match="changed or renamed"):
        read_bundle(copied)


def test_where_a_bundle_came_from_is_no_part_of_what_it_is(copied: Path) -> None:
    (copied / ORIGIN).write_text(origin(source="elsewhere").model_dump_json())

    assert copied.name == read_bundle(copied).version
    assert "elsewhere" == read_bundle(copied).origin.source


def test_a_renamed_folder_is_refused(copied: Path) -> None:
    renamed = copied.rename(copied.with_name("2012-10-26-0123456789ab"))

    with pytest.raises(BundleRefused) as refused:
        read_bundle(renamed)
    assert refused.value.message == (
        f"{renamed}: what is in it makes version {copied.name}, and that is the name a bundle's "
        "folder must have. It was changed or renamed. Run `python train.py` again."
    )


def resealed(folder: Path, change: Callable[[dict], object]) -> Path:
    """The bundle as somebody leaves it who changes it and gives it the name that follows."""
    manifest = json.loads((folder / MANIFEST).read_text())
    change(manifest)
    text = json.dumps(manifest).encode()
    (folder / MANIFEST).write_bytes(text)
    return folder.rename(
        folder.with_name(f"2012-10-26-{hashlib.sha256(text).hexdigest()[:12]}"),
    )


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/hostname", "a/../../secret", "..", "", "a\0b", "a\r\nb", "x" * 300]
)
def test_a_manifest_that_names_a_file_elsewhere_is_refused(folder: Path, name: str) -> None:
    (folder.parent / "secret").write_bytes(b"x")
    sha256 = hashlib.sha256(b"x").hexdigest()
    changed = resealed(folder, lambda of: of["checksums"].update({name: sha256}))

    with pytest.raises(BundleRefused) as refused:
        read_bundle(changed)
    assert refused.value.message.endswith(" is not a file of this folder")
    assert 1 == len(refused.value.message.splitlines())


def asked(manifest: dict) -> dict:
    """What the models of a bundle are asked before they answer anyone."""
    return manifest["things"][manifest["conformance"]["$thing"]]


def no_answers(manifest: dict) -> None:
    asked(manifest)["answers"] = {"ahead": {}, "last week": {}}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda of: of.update(conformance=None), "nothing to prove them by"),
        (lambda of: of.update(conformance=None, kind="baseline"), "nothing to prove them by"),
        (lambda of: asked(of).pop("history"), "nothing that its models can be asked"),
        (lambda of: asked(of).update(answers={}), "nothing that its models can be asked"),
        (no_answers, "nothing that its models can be asked"),
        (lambda of: of["checksums"].clear(), "no checksum of arrays.npz"),
        (
            lambda of: of["answered_by"].update(best="magic"),
            "to answer is not in it: magic",
        ),
    ],
)
def test_what_proves_a_bundle_cannot_be_left_out_of_it(
    copied: Path, change: Callable[[dict], object], reason: str
) -> None:
    """By whoever may write where bundles lie, and gives them the name that follows."""
    with pytest.raises(BundleRefused, match=reason):
        load_bundle(resealed(copied, change))


LARGE = 1e308


@pytest.mark.parametrize(
    "changes",
    [
        {"shape": [-LARGE] * 49 + [0.0] + [LARGE] * 49},
        {"shape": [float("nan")] * 99},
        {"shape": [1.0, 0.0, *range(2, 99)]},
        {"shape": [1.0, 2.0]},
        {"usual": LARGE, "widths": {}},
        {"usual": float("inf")},
        {"widths": {"3": -1.0}},
        {"by_step": LARGE},
    ],
    ids=str,
)
def test_intervals_that_nobody_can_have_measured_are_damage(
    copied: Path, changes: dict[str, object]
) -> None:
    def change(manifest: dict) -> None:
        for of in manifest["spreads"].values():
            of["of_age"][OLD].update(changes)

    with pytest.raises(BundleRefused, match=rf"manifest\.json: spreads\..*{OLD}"):
        load_bundle(resealed(copied, change))


def test_a_message_is_one_line_whatever_somebody_called_things(tmp_path: Path) -> None:
    version = "1\r\n2026-01-01 INFO Serving model 2\x1b[2J"
    (tmp_path / MANIFEST).write_text(json.dumps({"format": 4, "version": version}))

    with pytest.raises(OlderBundle) as refused:
        read_bundle(tmp_path)
    assert "The bundle 1?2026-01-01 INFO Serving model 2?[2J was" in refused.value.message


def test_a_missing_file_is_refused_by_its_name(folder: Path) -> None:
    (folder / TABLE).unlink()

    with pytest.raises(BundleRefused) as refused:
        read_bundle(folder)
    assert f"{folder}: {TABLE} cannot be read: No such file or directory" == refused.value.message


def test_a_bundle_of_trees_without_their_graph_is_refused(tmp_path: Path) -> None:
    states = Packed()
    profile = fitted().profile
    mean = FittedMean({"xgboost": FittedRegressor("xgboost", NoRegressor(), profile)})
    models = {"rf_xgb_mean": states.add(mean.state)}
    serving = AnsweredBy.by("rf_xgb_mean")
    made = {"models": models, "answered_by": serving, "things": tuple(states.things)}
    folder = write_bundle(tmp_path, sealed({ARRAYS: states.npz()}, **made))

    with pytest.raises(BundleRefused) as refused:
        read_bundle(folder)
    assert "the bundle has no trees, and xgboost is made of them." == refused.value.message


class NoRegressor:
    """Stands for trees, which are kept beside the state."""

    def predict(self, X: np.ndarray) -> np.ndarray:
        return np.zeros(len(X))


def test_a_baseline_needs_neither_trees_nor_questions(tmp_path: Path) -> None:
    states = Packed()
    models = {GROWTH.name: states.add(GROWTH.state)}
    serving = AnsweredBy.by(GROWTH.name)
    made = {"models": models, "answered_by": serving, "things": tuple(states.things)}
    baseline = sealed({ARRAYS: states.npz()}, kind="baseline", **made)

    bundle = load_bundle(write_bundle(tmp_path, baseline))
    assert {GROWTH.name: GROWTH} == bundle.models


def test_a_manifest_that_names_a_state_that_is_not_there_is_refused(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path, sealed(models={"arima": {"$thing": 99}}))

    with pytest.raises(BundleRefused, match=r"manifest\.json names what is not there"):
        read_bundle(folder)


@pytest.mark.parametrize("state", [{"kind": "magic"}, {"kind": "arima"}, {}])
def test_a_state_of_no_model_is_refused(state: dict[str, str]) -> None:
    with pytest.raises(OlderBundle, match="model of the bundle cannot be read by this release"):
        Restored(lambda _: NoRegressor()).model(state)


@pytest.mark.parametrize("arrays", [b"", b"no arrays", b"PK"])
def test_arrays_that_are_none_are_refused(tmp_path: Path, arrays: bytes) -> None:
    folder = write_bundle(tmp_path, sealed({ARRAYS: arrays}))

    with pytest.raises(BundleRefused, match=r"arrays\.npz cannot be read"):
        read_bundle(folder)


def test_arrays_that_could_run_code_are_refused(tmp_path: Path) -> None:
    file = io.BytesIO()
    np.savez(file, a0=np.array([Sealed], dtype=object))
    folder = write_bundle(tmp_path, sealed({ARRAYS: file.getvalue()}))

    with pytest.raises(BundleRefused, match=r"arrays\.npz cannot be read"):
        read_bundle(folder)


def test_a_graph_that_is_none_is_refused(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path, sealed({TREES: b"not a graph"}))

    with pytest.raises(BundleRefused, match=r"trees\.onnx cannot be loaded"):
        read_bundle(folder)


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
        ({"format": 7}, "format must be 6, not 7. Run `python train.py` again."),
        ({"surprise": 1}, "surprise is not known"),
        (
            {"condition_ranges": {"CPI": ["much", 1]}},
            "condition_ranges.CPI.0 must be a number, not 'much'",
        ),
        ({"kind": "magic"}, "kind must be 'models' or 'baseline', not 'magic'"),
        ({"answered_by": {"predict_sales": "x"}}, "answered_by.forecast_sales is required"),
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
    assert refused.value.message.startswith(f"{folder / MANIFEST}: it is not JSON")


def test_a_bundle_of_an_earlier_release_is_told_from_a_damaged_one(tmp_path: Path) -> None:
    manifest = {"format": 4, "version": "2012-10-26-7ac8d427"}
    (tmp_path / MANIFEST).write_text(json.dumps(manifest))

    with pytest.raises(OlderBundle) as refused:
        read_bundle(tmp_path)
    assert refused.value.message == (
        "The bundle 2012-10-26-7ac8d427 was written by an earlier release (format 4, this one "
        "writes 6). Run `python train.py`."
    )


# Whether a training would make the same again


def test_the_bundle_that_this_code_made_of_this_data_is_found(folder: Path, tmp_path: Path) -> None:
    set_alias(tmp_path / "champion", folder)
    broken = tmp_path / "broken"

    assert folder.name == trained_on(PANEL, CODE, [broken, tmp_path / "champion"])
    assert CODE == read_origin(folder).code


def test_data_that_differs_in_one_value_was_not_trained_on(folder: Path) -> None:
    y = PANEL.y.copy()
    y[0, 0] += 0.01
    changed = Panel(y, PANEL.periods, PANEL.series, PANEL.conditions)

    assert trained_on(changed, CODE, [folder]) is None


def test_what_other_code_made_of_the_same_data_does_not_count(folder: Path) -> None:
    assert trained_on(PANEL, "ba9876543210", [folder]) is None


def test_a_bundle_of_an_earlier_release_does_not_count_and_is_passed_over(
    folder: Path, tmp_path: Path
) -> None:
    older = tmp_path / "older"
    older.mkdir()
    (older / MANIFEST).write_text('{"format": 4}')
    (older / ORIGIN).write_text(origin().model_dump_json())

    assert folder.name == trained_on(PANEL, CODE, [older, folder])
