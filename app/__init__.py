"""An OAuth2 authorization server for FastAPI. What it is called stands here alone."""

NAME = "latchkey"
"""In the names that machines read: the command, settings, cookies, loggers and metrics.

What people read is ``LATCHKEY_SERVICE_NAME``. No stored hash depends on either (see
:mod:`app.security.contexts`).
"""

VERSION = "0.1.0"
