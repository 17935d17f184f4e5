"""``latchkey purge``: delete what has expired."""

from app.cli.command import Json, run, show
from app.housekeeping import purge


def purge_expired(json: Json = False) -> None:
    """Delete expired logins, tokens and keys, in small batches. Run it from cron, daily."""
    show(run(purge), json)
