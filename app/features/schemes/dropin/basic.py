"""HTTP Basic as RFC 7617 has it: a drop-in for ``fastapi.security.HTTPBasic``.

FastAPI's class reads ASCII only, so that whoever has another letter in their name or password is
401 for ever, and its challenge may lack the realm. This one reads UTF-8 and says so, and falls
back to ISO-8859-1, which Swagger UI and older browsers send.

    basic = Utf8HTTPBasic(realm="example")

    @app.get("/private")
    async def private(credentials: Annotated[HTTPBasicCredentials, Depends(basic)]) -> str:
        if not await is_password_of(credentials.username, credentials.password):
            raise basic.make_not_authenticated_error()
        return credentials.username
"""

import base64
import binascii
import re

from fastapi import HTTPException
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from starlette.requests import HTTPConnection


class Utf8HTTPBasic(HTTPBasic):
    """``HTTPBasic`` with UTF-8, a realm, and no secret in any error.

    With ``auto_error=False`` it returns None when no Basic credentials came; credentials that
    came and cannot be read are refused all the same.
    """

    def __init__(
        self,
        *,
        realm: str,
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None:
        """``realm`` is what the browser's dialog names.

        Raises :class:`ValueError` for one that is not printable ASCII.
        """
        if not (realm.isascii() and realm.isprintable()):
            raise ValueError("the realm is printable ASCII")
        super().__init__(
            realm=realm, scheme_name=scheme_name, description=description, auto_error=auto_error
        )

    def make_authenticate_headers(self) -> dict[str, str]:
        """The challenge of RFC 7617, section 2.1."""
        realm = re.sub(r'(["\\])', r"\\\1", self.realm or "")  # RFC 9110, section 5.6.4
        return {"WWW-Authenticate": f'Basic realm="{realm}", charset="UTF-8"'}

    def make_not_authenticated_error(self) -> HTTPException:
        """401 with the challenge; the same for every reason."""
        detail = "A user name and a password are needed."
        return HTTPException(401, detail, self.make_authenticate_headers())

    async def __call__(self, request: HTTPConnection) -> HTTPBasicCredentials | None:  # type: ignore[override]
        """The user name and the password of the request. Raises :class:`HTTPException`."""
        headers = request.headers.getlist("authorization")
        basic = [header for header in headers if header.partition(" ")[0].lower() == "basic"]
        if not basic and not self.auto_error:
            return None
        if len(basic) != 1 or len(headers) != 1:
            raise self.make_not_authenticated_error()
        credentials = _read(basic[0].partition(" ")[2].strip())
        if credentials is None:
            raise self.make_not_authenticated_error()
        return credentials


def _read(encoded: str) -> HTTPBasicCredentials | None:
    """RFC 7617, section 2: the first colon divides; control characters are refused."""
    try:
        pair = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None
    try:
        text = pair.decode()
    except UnicodeDecodeError:
        text = pair.decode("iso-8859-1")
    username, colon, password = text.partition(":")
    if not colon or any(ord(character) < 32 or ord(character) == 127 for character in text):
        return None
    return HTTPBasicCredentials(username=username, password=password)
