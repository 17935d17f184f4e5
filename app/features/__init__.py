"""What a fork adds or deletes: a folder each, here and in ``tests/features``, and a line below.

No code outside its folders imports a feature. ``make migration`` then writes the migration of its
tables.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.feature import Feature

FOLDERS: Mapping[str, Mapping[str, str]] = {
    # A feature stands behind those that it requires. With it stand its commands, each with the
    # first line of its help, so that the command line can list them without importing it: a noun,
    # or a verb behind a noun of the core. A noun of the core itself works with the feature.
    "authorization_code": {"clients": "Register and manage clients."},
    "items": {},
    "api_keys": {"api-keys": "Create, list and revoke API keys."},
    "app_passwords": {"app-passwords": "List and revoke app passwords."},
    "claims": {"claims": "Declare claims, and say what they tell of whom."},
    "groups": {"groups": "Create and change groups, and what belongs to them."},
    "mail": {},
    "mfa": {
        "mfa": "Say who has to have a second factor.",
        "users reset-mfa": "Remove a user's second factor, for whoever has lost it.",
    },
    "passkeys": {},
    "verification": {},
    "recovery": {},
    "export": {},
    "registration": {"invitations": "Invite people, who choose their own passwords."},
    "schemes": {"users set-digest": "Create or remove a user's HTTP Digest credential."},
    "test_logins": {},
    "resources": {"resources": "Register and manage resources (RFC 8707)."},
    "client_registration": {"registration-tokens": "Manage tokens to register clients with."},
    "apply": {
        "apply": "Create, change and delete users, clients and scopes as a file declares. Safe to "
        "run again.",
        "dev": "Run a server for development: migrated, filled, and thrown away at the end.",
    },
    "transfer": {
        "export": "Print users, clients and scopes as JSON, for import elsewhere.",
        "import": "Create or update users, clients and scopes to match a document. Safe to run "
        "again.",
    },
    "backup": {
        "backup": "Write the whole database to a file, while it is in use.",
        "restore": "Make the database what it was when the backup was written.",
    },
    "deletion": {},  # last, as its section of the account page
}


def load_feature(folder: str) -> "Feature":
    """What a folder brings."""
    feature: Feature = import_module(f"app.features.{folder}").feature
    return feature


@cache
def load_features() -> Sequence["Feature"]:
    """What all of them bring."""
    return [load_feature(folder) for folder in FOLDERS]
