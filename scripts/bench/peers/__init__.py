"""Latchkey next to other authorization servers: ``make bench ARGS="--peers"``.

Each folder in here is the smallest application of one peer, as its own documentation sets it up,
with what it needs at fixed versions. They run in environments of their own.
"""
