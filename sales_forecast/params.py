"""What a training may choose: windows, models, features and the gate, read from `params.yaml`.

Takes a file, gives one frozen `Params`; what the file does not name is as in `DEFAULTS`. The only
module that reads YAML. `settings` is what a deployment may choose.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sales_forecast.errors import SettingsError, in_words

_DIGITS = 12
Count = Annotated[int, Field(ge=1, le=10_000)]
Share = Annotated[int | float, Field(gt=0, le=1)]
Weight = Annotated[int | float, Field(ge=0, le=1e6)]
Tolerance = Annotated[int | float, Field(ge=0, le=1)]
Names = Annotated[tuple[str, ...], Field(strict=False)]


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class OneStep(_Form):
    """Windows of one period ahead; see `evaluation.protocols`."""

    windows: Count
    step: Count


class ManySteps(OneStep):
    """Windows of many periods ahead."""

    horizon: Count


class Windows(_Form):
    """The windows of both protocols."""

    one_step: OneStep
    many_steps: ManySteps


class WindowsByKind(_Form):
    """In weeks; those of daily sales in days. `many_series`: of weekly panels from 1,000 on."""

    weekly: Windows
    many_series: Windows
    daily: Windows


class Models(_Form):
    """Names of models that are tried beside the baselines."""

    usual: Names
    many_series: Names


class RandomForest(_Form):
    """Hyperparameters as scikit-learn names them."""

    n_estimators: Count
    max_samples: Share
    max_depth: Count
    min_samples_leaf: Count
    max_features: Share


class XGBoost(_Form):
    """Hyperparameters as XGBoost names them."""

    n_estimators: Count
    max_depth: Count
    learning_rate: Share
    subsample: Share
    colsample_bytree: Share
    min_child_weight: Weight
    reg_lambda: Weight


class Trees(_Form):
    """Hyperparameters by model."""

    random_forest: RandomForest
    xgboost: XGBoost


class Features(_Form):
    """`leave_out`: covariates that no model may see; their columns stay, unknown throughout."""

    leave_out: Names


class Gate(_Form):
    """By which share of its errors a challenger may be worse than the champion."""

    champion_tolerance: Tolerance
    """Two fits to nearly the same weeks differ by less than this; it says nothing about worse."""
    part_tolerance: Tolerance
    """A part of the rows is judged on fewer of them."""


class Params(_Form):
    """All of it."""

    windows: WindowsByKind
    models: Models
    trees: Trees
    features: Features
    gate: Gate


DEFAULTS = Params(
    windows=WindowsByKind(
        weekly=Windows(
            one_step=OneStep(windows=39, step=1),
            many_steps=ManySteps(horizon=8, windows=8, step=4),
        ),
        many_series=Windows(
            one_step=OneStep(windows=13, step=1),
            many_steps=ManySteps(horizon=8, windows=4, step=8),
        ),
        daily=Windows(
            one_step=OneStep(windows=42, step=1),
            many_steps=ManySteps(horizon=42, windows=4, step=42),
        ),
    ),
    models=Models(
        usual=(
            "moving_average", "seasonal_average", "tsb", "ridge", "ets", "random_forest",
            "xgboost", "arima", "pooled", "ensemble", "rf_xgb_mean",
        ),
        many_series=(
            "moving_average", "seasonal_average", "tsb", "xgboost", "arima", "pooled", "ensemble",
        ),
    ),
    # Chosen by `train.py tune --csv FILE --until 2011-10-28` on the public store sales;
    # docs/tuning.md has the figures.
    trees=Trees(
        # A target stands in the training set once per step, and a week in all stores: a tenth of
        # the rows tells a tree as much as all of them, and trees differ more.
        random_forest=RandomForest(
            n_estimators=100, max_samples=0.1, max_depth=8, min_samples_leaf=3, max_features=1 / 4
        ),
        xgboost=XGBoost(
            n_estimators=100, max_depth=3, learning_rate=0.06, subsample=0.9,
            colsample_bytree=0.25, min_child_weight=30, reg_lambda=1,
        ),
    ),
    features=Features(leave_out=()),
    gate=Gate(champion_tolerance=0.01, part_tolerance=0.05),
)  # fmt: skip


def read_params(file: Path) -> Params:
    """Read a file; without one the defaults. Raises SettingsError naming the entry."""
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return DEFAULTS
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise SettingsError(f"{file} cannot be read: {reason}.") from None
    given = _yaml(file, text)
    if given is None:
        return DEFAULTS
    if not isinstance(given, dict):
        raise SettingsError(f"{file} must hold entries such as `gate:`, not {given!r}.")
    whole = _over(DEFAULTS.model_dump(), cast("Mapping[str, Any]", given))
    try:
        return Params.model_validate(whole)
    except ValidationError as error:
        raise _refusal(file, error) from None


def _yaml(file: Path, text: str) -> object:
    try:
        import yaml
    except ImportError:
        raise SettingsError(
            f"{file} cannot be read: PyYAML is missing, which comes with all of training."
        ) from None

    class Once(yaml.SafeLoader):  # type: ignore[misc]
        """Of an entry that stands there twice YAML takes the last, and says nothing."""

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
            said: dict[str, int] = {}
            for key, _ in node.value:
                name, line = str(key.value), key.start_mark.line + 1
                if name in said:
                    raise SettingsError(
                        f"{file}, line {line}: {name} is said already, in line {said[name]}."
                    )
                said[name] = line
            return super().construct_mapping(node, deep)

    try:
        return yaml.load(text, Once)  # noqa: S506 - it is a safe one
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        raise SettingsError(f"{file}{place}: this is not YAML.") from None


def _over(usual: Mapping[str, Any], given: Mapping[Any, Any]) -> dict[str, Any]:
    """Return what is usual, and over it what was given: unknown entries, too."""
    merged = dict(usual)
    for name, value in given.items():
        known = usual.get(name)
        if isinstance(known, dict) and isinstance(value, dict):
            merged[str(name)] = _over(known, value)
        else:
            merged[str(name)] = value
    return merged


def _refusal(file: Path, error: ValidationError) -> SettingsError:
    """Name the first entry that is wrong, what was given, and what may stand there."""
    details = error.errors(include_url=False)
    # A number that may be whole or not is checked as both, the former first.
    detail = details[details[0]["loc"][-1] == "int"]
    *parents, last = map(str, detail["loc"])
    if detail["type"] == "extra_forbidden":
        known: Any = DEFAULTS
        for parent in parents:
            known = getattr(known, parent)
        said = f"{'.'.join([*parents, last])} is not known. Known: {', '.join(dict(known))}"
    elif detail["type"] == "model_type":
        said = f"{'.'.join([*parents, last])} must have entries, not {detail['input']!r}"
    else:
        loc = (*parents, last) if last != "float" else tuple(parents)
        said = in_words({**detail, "loc": loc})
    return SettingsError(f"{file}: {said.removesuffix('.')}.")


def code_of(source: str, params: Params) -> str:
    """Return what tells a training from another on equal data: the code, and what was chosen.

    `source`: the hash of the code, which stands for the defaults as well.
    """
    if params == DEFAULTS:
        return source
    return hashlib.sha256(f"{source} {params.model_dump_json()}".encode()).hexdigest()[:_DIGITS]
