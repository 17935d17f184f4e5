"""What is issued: keys, access and ID tokens, refresh tokens."""
