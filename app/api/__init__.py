"""The JSON API: what users do with their own account, and what operators manage."""
