"""The grants that a client can be registered for here, as a refusal names them."""

from app.features import load_features
from app.identity.grant_types import grant_types

load_features()  # which may bring some

NAMES = ", ".join(grant_types())

*_some, _last = map(repr, grant_types())
ONE_OF_THEM = f"Input should be {', '.join(_some)} or {_last}"
