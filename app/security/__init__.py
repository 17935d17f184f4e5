"""Credentials and cryptography. Nothing here knows a route or a table."""
