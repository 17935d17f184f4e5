"""What a worker holds: the :class:`Server`, which routes and commands get."""

from app.server.server import Server

__all__ = ["Server"]
