"""An OAuth2 authorization server for FastAPI. What it is called stands here alone."""

NAME = "latchkey"
"""In the names that machines read: the command, settings, cookies, loggers and metrics. Lower-case
letters and digits, with hyphens between them.

What people read is ``LATCHKEY_SERVICE_NAME``. No stored hash depends on either (see
:mod:`app.security.contexts`).
"""

IDENTIFIER = NAME.replace("-", "_")
"""The same where there can be no hyphen, as in settings and metrics."""

TITLE = NAME.replace("-", " ").title()
"""The same for people."""

PACKAGE = __name__
"""``app`` in a checkout, and ``latchkey`` in a wheel: whoever installs one often has an ``app`` of
their own."""

VERSION = "0.1.0"
