"""The tables of the core, one file each. A feature names its own in its object."""

from app.models.audit_event import AuditEvent
from app.models.base import Base
from app.models.chore import Chore
from app.models.client import Client, ClientScope, ClientSecret
from app.models.login import Login
from app.models.login_throttle import FailedLogins, KnownOrigin
from app.models.refresh_token import RefreshToken
from app.models.revoked_token import RevokedToken
from app.models.scope import Scope
from app.models.signing_key import SigningKey
from app.models.user import User, UserScope

__all__ = [
    "AuditEvent",
    "Base",
    "Chore",
    "Client",
    "ClientScope",
    "ClientSecret",
    "FailedLogins",
    "KnownOrigin",
    "Login",
    "RefreshToken",
    "RevokedToken",
    "Scope",
    "SigningKey",
    "User",
    "UserScope",
]
