"""What is known of a user, and what clients are told of it: where a new field begins.

It has its column in ``app/models/user.py``. The management API, export and import, ``/users/me``
and the audit trail follow. The command line wants an option for it in ``app/cli/users.py``, and
``/userinfo`` a claim: a field of :class:`UserInfo` and a line in :func:`permitted_claims`.
"""

import unicodedata
import uuid
from collections.abc import Collection
from typing import Annotated

from pydantic import BaseModel, Field

from app.errors import InvalidError
from app.identity.definition import STRICT, partial, rule
from app.identity.names import has_unseen
from app.identity.scopes import SPEAK_OF_A_USER

USERNAME_MAX_LENGTH = 128
EMAIL_MAX_LENGTH = 320


def username_key(username: str) -> str:
    """The form in which user names are compared: NFKC, then case folding.

    Raises :class:`InvalidError` for more characters than a name has: normalising takes time.
    """
    if len(username) > USERNAME_MAX_LENGTH:
        raise InvalidError(told=f"a user name must have 1 to {USERNAME_MAX_LENGTH} characters")
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", username).casefold())


def _check_username(username: str) -> None:
    if len(username_key(username)) > 1024:
        raise InvalidError(told=f"a user name must have 1 to {USERNAME_MAX_LENGTH} characters")
    if username != username.strip() or has_unseen(username):
        raise InvalidError(
            told="a user name cannot contain control characters, or start or end with a space"
        )


def check_email(email: str) -> None:
    """Raise :class:`InvalidError` unless this looks like an address; only a mail proves it."""
    local, at, domain = email.rpartition("@")
    blank = any(character.isspace() or not character.isprintable() for character in email)
    if not (local and at and domain) or blank or len(email) > EMAIL_MAX_LENGTH:
        raise InvalidError(told="an e-mail address must have the form name@domain")


Username = Annotated[
    str, Field(min_length=1, max_length=USERNAME_MAX_LENGTH), rule(_check_username)
]
Email = Annotated[str, Field(max_length=EMAIL_MAX_LENGTH), rule(check_email)]


class Profile(BaseModel):
    """What can be set of a user's profile."""

    email: Email | None = None


class StoredProfile(Profile):
    """What is stored of a user's profile: also what this server vouches for, or does not."""

    email_verified: bool = False


class NewUser(Profile):
    """A user to add."""

    model_config = STRICT

    username: Username = Field(examples=["ada"])
    scopes: list[str] = Field(default=list(SPEAK_OF_A_USER), examples=[["profile", "email"]])


@partial
class PermittedProfile(StoredProfile):
    """What scopes permit to know of a user; null where they do not, or there is nothing."""


class UserInfo(BaseModel):
    """Claims about a user (OpenID Connect Core, section 5.1); one without a value is left out."""

    sub: str
    preferred_username: str | None = None
    email: str | None = None
    email_verified: bool | None = None


def permitted_profile(profile: StoredProfile, scopes: Collection[str]) -> PermittedProfile:
    """As much of ``profile`` as ``scopes`` permit to know (OpenID Connect Core, section 5.4)."""
    hidden: set[str] = set()
    if "email" not in scopes or profile.email is None:
        hidden |= {"email", "email_verified"}
    if "profile" not in scopes:
        hidden |= StoredProfile.model_fields.keys() - {"email", "email_verified"}
    known = {name: value for name, value in profile if name not in hidden}
    return PermittedProfile.model_construct(**known)


def permitted_claims(
    user_id: uuid.UUID, username: str, profile: StoredProfile, scopes: Collection[str]
) -> UserInfo:
    """The claims of a user that ``scopes`` permit to tell."""
    permitted = permitted_profile(profile, scopes)
    return UserInfo(
        sub=str(user_id),
        preferred_username=username if "profile" in scopes else None,
        email=permitted.email,
        email_verified=permitted.email_verified,
    )
