"""Whether a bundle answers for a panel: one of the same form, that this code builds features of.

Takes both, says nothing where they fit. Must not know who asks.
"""

from __future__ import annotations

from sales_forecast.bundles.bundle import Bundle
from sales_forecast.data.panel import Panel
from sales_forecast.errors import BundleRefused
from sales_forecast.features.features import feature_names


def check_fits(bundle: Bundle, panel: Panel) -> None:
    """Raise BundleRefused for a bundle of another form of panel, or of another code version."""
    manifest = bundle.manifest
    if found := differences(bundle, panel):
        raise BundleRefused(
            f"bundle {bundle.version} was made for another panel than the database holds: "
            f"{'; '.join(found)}. Train on this database (`python train.py`), or name "
            "the other one in DATABASE_URL."
        )
    if manifest.feature_names and manifest.feature_names != feature_names(panel):
        raise BundleRefused(
            f"bundle {bundle.version} was made for other features than this version of the "
            "code builds. Run `python train.py` again."
        )


def differences(bundle: Bundle, panel: Panel) -> tuple[str, ...]:
    """Return how the form of a bundle's panel and that of another differ, in words."""
    made_for, held = bundle.manifest.spec, panel.spec
    return () if made_for is None or held is None else made_for.differences(held)
