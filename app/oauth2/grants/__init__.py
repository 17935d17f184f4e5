"""The grants of ``POST /token``, one file each. To add one, write its file and list it here."""

from collections.abc import Mapping

from app.oauth2.grant import Grant
from app.oauth2.grants import authorization_code, client_credentials, password, refresh_token
from app.posture import Liberty, permits
from app.settings import Settings


def supported_grants(settings: Settings) -> Mapping[str, Grant]:
    """The grants of this deployment by their ``grant_type``.

    OAuth 2.1 has no password grant, so the posture ``oauth21`` has none either.
    """
    grants = [refresh_token.GRANT, client_credentials.GRANT, authorization_code.GRANT]
    if permits(settings.posture, Liberty.PASSWORD_GRANT):
        # LATCHKEY_STRICT_PASSWORD_FORM chooses between FastAPI's two forms.
        grants.insert(0, password.STRICT if settings.strict_password_form else password.LAX)
    return {grant.grant_type: grant for grant in grants}
