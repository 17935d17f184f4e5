"""OpenID Connect on top of the protocol: who the user is."""
