"""Processes that serve: one worker, and the supervisor of several."""
