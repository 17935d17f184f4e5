"""The grants of ``POST /token``, one file each. To add one, write its file and list it here.

A feature brings its own as ``Feature.grants``, and offers the names for which clients are
registered: see :func:`app.identity.grant_types.offer_grants`.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from app.identity.grant_types import grant_types, offer_grants
from app.posture import LegacyFeature, permits
from app.settings import Settings

if TYPE_CHECKING:
    from app.oauth2.grant import Grant

FILES: Mapping[str, str] = {
    "password": "password",
    "refresh_token": "refresh_token",
    "client_credentials": "client_credentials",
}
"""By ``grant_type``. Whoever registers a client needs the names, and none of the files."""

offer_grants(FILES)


def supported_grants(
    settings: Settings, of_features: "Sequence[Grant]" = ()
) -> Mapping[str, "Grant"]:
    """The grants of this deployment by their ``grant_type``, with those ``of_features``.

    OAuth 2.1 has no password grant, so the posture ``oauth21`` has none either, and
    nothing that goes with it. Raises :class:`ValueError` for a grant of a feature that no client
    could be registered for.
    """
    files = {name: import_module(f"{__name__}.{file}") for name, file in FILES.items()}
    grants: dict[str, Grant] = {name: file.GRANT for name, file in files.items()}
    if not permits(settings.posture, LegacyFeature.PASSWORD_GRANT):
        del grants["password"]
    elif not settings.strict_password_form:
        grants["password"] = files["password"].LAX  # FastAPI's other form
    for each in of_features:
        if each.permitted_as not in grant_types():
            raise ValueError(
                f"no client can be registered for the grant {each.permitted_as}: "
                "its feature has to call offer_grants"
            )
    with_others = [each for each in of_features if each.goes_with in ("", *grants)]
    return grants | {each.grant_type: each for each in with_others}
