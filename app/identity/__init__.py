"""Users, clients and scopes: what the server knows of them."""
