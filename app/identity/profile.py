"""What is known of a user, and what clients are told of it: where a new field begins.

It needs a column in ``app/models/user.py``. The management API, ``apply``, export and import,
``/users/me`` and the audit trail follow from :class:`Profile`. Three things are written by hand:

* a claim: a field of :class:`UserInfo` and a line in :func:`permitted_claims`. It is then told at
  ``/userinfo`` and in ID tokens that tell such claims, and the discovery document lists it;
* an option of ``latchkey users``, in ``app/cli/users.py``;
* a field in the form of ``/account``, in ``account_profile.html`` of
  ``app/features/authorization_code``.
"""

import re
import unicodedata
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, Field

from app.errors import InvalidError
from app.identity.definition import STRICT, partial, rule
from app.identity.names import has_unseen
from app.identity.scopes import SPEAK_OF_A_USER
from app.message import Message

USERNAME_MAX_LENGTH = 128
EMAIL_MAX_LENGTH = 320

_BAD_LENGTH = Message("a user name must have 1 to {most} characters", most=USERNAME_MAX_LENGTH)

_LANGUAGE_TAG = r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*"


def username_key(username: str) -> str:
    """The form in which user names are compared: NFKC, then case folding.

    Raises :class:`InvalidError` for more characters than a name has: normalising takes time.
    """
    if len(username) > USERNAME_MAX_LENGTH:
        raise InvalidError(told=_BAD_LENGTH)
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", username).casefold())


def _check_username(username: str) -> None:
    if len(username_key(username)) > 1024:
        raise InvalidError(told=_BAD_LENGTH)
    if username != username.strip() or has_unseen(username):
        raise InvalidError(
            told=Message(
                "a user name cannot contain control characters, or start or end with a space"
            )
        )


def check_email(email: str) -> None:
    """Raise :class:`InvalidError` unless this looks like an address; only a mail proves it."""
    # One address: with a comma it would be two to some mail servers (RFC 5322, section 3.4.1).
    is_one = re.fullmatch(r"""[^\s@,;:<>()\[\]\\"]+@[^\s@,;:<>()\[\]\\"]+""", email)
    if not is_one or not email.isprintable() or len(email) > EMAIL_MAX_LENGTH:
        raise InvalidError(told=Message("an e-mail address must have the form name@domain"))


def _check_name(name: str) -> None:
    if not name.strip() or has_unseen(name):
        raise InvalidError(
            told=Message("a name must be visible and cannot contain control characters")
        )


def _check_picture(url: str) -> None:
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        host = None
    if not host or parts.scheme not in ("https", "http") or re.search(r"[^\x21-\x7e]", url):
        raise InvalidError(told=Message("a picture must be the URL of an image"))


def _check_locale(tag: str) -> None:
    if not re.fullmatch(_LANGUAGE_TAG, tag):
        raise InvalidError(told=Message("a locale must be a language tag, such as en-GB"))


Username = Annotated[
    str, Field(min_length=1, max_length=USERNAME_MAX_LENGTH), rule(_check_username)
]
Email = Annotated[str, Field(max_length=EMAIL_MAX_LENGTH), rule(check_email)]
Name = Annotated[str, Field(max_length=255), rule(_check_name)]
Picture = Annotated[str, Field(max_length=2048), rule(_check_picture)]
Locale = Annotated[
    str,
    Field(
        max_length=35,
        examples=["en-GB"],
        json_schema_extra={"pattern": f"^{_LANGUAGE_TAG}$"},  # in words where it is broken
    ),
    rule(_check_locale),
]
"""A language tag (RFC 5646), which OpenID Connect Core, section 5.1, wants with a hyphen."""


class Profile(BaseModel):
    """What can be set of a user's profile."""

    email: Email | None = None
    name: Name | None = Field(
        default=None, description="If left out, `name` is told as given and family name."
    )
    given_name: Name | None = None
    family_name: Name | None = None
    picture: Picture | None = None
    locale: Locale | None = None


class ChangedProfile(Profile):
    """What is to be another one of a user's profile: the fields that are set, also to null."""

    model_config = STRICT


class StoredProfile(Profile):
    """What is stored of a user's profile: also what this server vouches for, or does not."""

    email_verified: bool = False


class NewUser(Profile):
    """A user to add."""

    model_config = STRICT

    username: Username = Field(examples=["ada"])
    scopes: list[str] = Field(default=list(SPEAK_OF_A_USER), examples=[["profile", "email"]])


@dataclass(frozen=True)
class Person:
    """A user, as far as claims tell of them."""

    id: uuid.UUID
    username: str
    profile: StoredProfile
    updated_at: datetime


@partial
class PermittedProfile(StoredProfile):
    """What scopes permit to know of a user; null where they do not, or there is nothing."""


class UserInfo(BaseModel):
    """Claims about a user (OpenID Connect Core, section 5.1); one without a value is left out."""

    sub: str
    name: str | None = None
    given_name: str | None = None
    family_name: str | None = None
    preferred_username: str | None = None
    picture: str | None = None
    locale: str | None = None
    updated_at: int | None = Field(default=None, description="Seconds since 1970.")
    email: str | None = None
    email_verified: bool | None = None


_OF_EMAIL = frozenset({"email", "email_verified"})


def permitted_profile(
    profile: StoredProfile, scopes: Collection[str], *, unverified: bool
) -> PermittedProfile:
    """As much of ``profile`` as ``scopes`` permit to know (OpenID Connect Core, section 5.4).

    An address that is not verified may be anybody's: only with ``unverified`` is it told.
    """
    hidden: set[str] = set()
    counts = profile.email is not None and (profile.email_verified or unverified)
    if "email" not in scopes or not counts:
        hidden |= _OF_EMAIL
    if "profile" not in scopes:
        hidden |= StoredProfile.model_fields.keys() - _OF_EMAIL
    known = {name: value for name, value in profile if name not in hidden}
    return PermittedProfile.model_construct(**known)


def permitted_claims(person: Person, scopes: Collection[str], *, unverified: bool) -> UserInfo:
    """The claims of a user that ``scopes`` permit to tell: see :func:`permitted_profile`."""
    told = permitted_profile(person.profile, scopes, unverified=unverified)
    claims = UserInfo(sub=str(person.id), email=told.email, email_verified=told.email_verified)
    if "profile" in scopes:
        both = " ".join(name for name in (told.given_name, told.family_name) if name)
        claims.name = told.name or both or person.username
        claims.given_name, claims.family_name = told.given_name, told.family_name
        claims.preferred_username = person.username
        claims.picture, claims.locale = told.picture, told.locale
        claims.updated_at = int(person.updated_at.timestamp())
    return claims
