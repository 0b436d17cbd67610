"""Whether a training would do anything new. Takes no training library to tell."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sales_forecast.bundles.bundle import read_manifest, read_origin
from sales_forecast.compute.source import source_hash
from sales_forecast.data.panel import Panel
from sales_forecast.errors import BundleRefused
from sales_forecast.params import Params, code_of


def trained_already(panel: Panel, params: Params, folders: Sequence[Path]) -> str | None:
    """Return the version of the first of some bundles that this code made of all of this.

    Raises SettingsError for covariates that the panel has not.
    """
    seen = panel.without(params.features.leave_out)
    return trained_on(seen, code_of(source_hash(), params), folders)


def trained_on(panel: Panel, code: str, folders: Sequence[Path]) -> str | None:
    """Return the version of the first of some bundles that this code made of exactly this panel."""
    for folder in folders:
        try:
            manifest, origin = read_manifest(folder), read_origin(folder)
        except BundleRefused:
            continue
        if origin.code == code and manifest.training.fingerprint == panel.fingerprint:
            return folder.resolve().name
    return None
