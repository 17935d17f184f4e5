"""A drill: see ``python -m scripts.drill --help``."""
