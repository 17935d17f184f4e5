"""What passkeys add to the tables of the core's tests."""

SECRET_TABLES = {"passkeys": "public keys", "used_passkey_challenges": "hashes"}
