"""Latchkey: the reference OAuth2 password-flow authorization server for FastAPI."""

VERSION = "0.1.0"
