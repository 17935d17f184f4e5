"""Logging in: the check of a password, its limits, and what a login begins."""
