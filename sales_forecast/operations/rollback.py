"""Back to a model that was champion before: registry, local folder and database, in this order.

Takes settings and a version, gives what was done. The bundle must prove itself on the stored sales
before anything changes; each place is switched in one step, so a service always finds a whole
bundle, and a command that was killed is completed by running it again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sales_forecast.bundles.bundle import CHALLENGER, CHAMPION, Sealed, read_files
from sales_forecast.bundles.fallback import load_for
from sales_forecast.bundles.fitting import check_fits
from sales_forecast.bundles.keeping import leave
from sales_forecast.bundles.writing import set_alias, write_bundle
from sales_forecast.data.database import Database
from sales_forecast.data.deployments import Cause, Deployments, champions, who
from sales_forecast.data.panel import Panel
from sales_forecast.errors import BundleRefused
from sales_forecast.settings import Settings
from sales_forecast.training.tracking.client import TrackingServer

_SHOWN = 10


@dataclass(frozen=True)
class RolledBack:
    """The champion of now and the one before it, None where none is known."""

    champion: str
    former: str | None
    sentence: str


def roll_back(
    settings: Settings, version: str | None, reason: str, progress: Callable[[str], None]
) -> RolledBack:
    """Make a version champion, by default the one before; `reason` is for whoever asks later.

    The one that was left becomes challenger, so that no training of equal sales and code brings it
    back by itself. Raises BundleRefused where there is no such model, or it cannot answer;
    RegistryError, DatabaseError, NotReady.
    """
    progress("reading the sales")
    with closing(Database(settings.database_url, settings.database_service_user)) as database:
        database.migrate()
        panel = database.read_panel()
    progress("asking the registry")
    server = TrackingServer(settings.mlflow_tracking_uri, settings.var_dir, settings.mlflow_login)
    registered = server.registered()
    bundles = settings.var_dir / "bundles"
    with closing(Deployments(settings.database_url)) as deployments:
        path = champions(deployments.all())
        wanted = version or _before(path)
        folder = bundles / wanted
        if wanted not in registered:
            raise _unknown(wanted, folder, path, registered)
        if not folder.is_dir():
            progress("fetching the bundle")
            files = read_files(server.fetch_version(registered[wanted]))
            folder = write_bundle(bundles, Sealed(wanted, files))
        progress("letting the model prove itself")
        _prove(folder, panel)
        left = path[-1] if path and path[-1] != wanted else None
        server.set_alias(CHAMPION, registered[wanted].version)
        _switch(settings.var_dir / CHAMPION, folder)
        if left and left in registered:
            server.set_alias(CHALLENGER, registered[left].version)
        if left and (bundles / left).is_dir():
            _switch(settings.var_dir / CHALLENGER, bundles / left)
        told = f"rolled back{f' from {left}' if left else ''}{f': {reason}' if reason else ''}"
        new = deployments.record(wanted, Cause(who("monitor.py rollback"), told))
    after = f", after {left}" if left else ""
    again = "again" if wanted in path else "now"
    return RolledBack(
        wanted,
        left,
        f"{wanted} is champion {again}{after}. A service takes it up within REFRESH_SECONDS from a "
        "folder, and within 90 s from a registry."
        if new
        else f"{wanted} is the champion already; alias and link were set again.",
    )


def _before(path: Sequence[str]) -> str:
    if len(path) > 1:
        return path[-2]
    now = f"{path[-1]} is the first that is known" if path else "no champion is known yet"
    raise BundleRefused(
        f"There is no champion before: {now}. Name a version: python monitor.py rollback VERSION"
    )


def _unknown(
    wanted: str, folder: Path, path: Sequence[str], registered: Collection[str]
) -> BundleRefused:
    there = ", ".join([*registered][: -_SHOWN - 1 : -1]) or "none"
    if folder.is_dir():
        return BundleRefused(
            f"The registry has no bundle {wanted}: it lies in {folder} alone. Served from a folder,"
            f" `ln -sfn bundles/{wanted} {folder.parent.parent / CHAMPION}` makes it champion."
        )
    if wanted in path:
        return BundleRefused(
            f"The bundle {wanted} was champion, and is not kept any more: neither in "
            f"{folder.parent} nor in the registry. What can be had, newest first: {there}."
        )
    return BundleRefused(f"There is no model {wanted}. What can be had, newest first: {there}.")


def _prove(folder: Path, panel: Panel) -> None:
    """Raise BundleRefused for a bundle that a service would not take up."""
    bundle = load_for(panel, folder)
    if bundle.version != folder.name:  # the baseline would answer for it
        raise BundleRefused(f"{bundle.manifest.note} Nothing was changed.")
    check_fits(bundle, panel)


def _switch(link: Path, folder: Path) -> None:
    leave(link)
    set_alias(link, folder)
