"""The database: engines on one URL, its schema, and what a worker may keep of it."""
