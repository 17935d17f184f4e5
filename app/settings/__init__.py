"""Settings: environment variables with the prefix ``LATCHKEY_``, or a ``.env`` file.

Every setting is described in ``.env.example``. A bad or unknown one stops the start with one line
(:class:`SettingsError`).
"""

from app.settings.checks import (
    DEVELOPMENT_SECRET_KEY,
    PUBLISHED_SECRET_KEYS,
    UNSAFE_SCHEMES,
    SettingsError,
)
from app.settings.loading import IN_A_FILE, SECRETS, load_settings
from app.settings.model import (
    PREFIX,
    TEN_YEARS,
    Settings,
)

__all__ = [
    "DEVELOPMENT_SECRET_KEY",
    "IN_A_FILE",
    "PREFIX",
    "PUBLISHED_SECRET_KEYS",
    "SECRETS",
    "TEN_YEARS",
    "UNSAFE_SCHEMES",
    "Settings",
    "SettingsError",
    "load_settings",
]
