"""Changing users, clients and scopes: who may, and what it brings about."""
