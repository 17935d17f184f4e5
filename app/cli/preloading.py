"""Workers that are forked from a process which has imported everything, instead of each doing so.

uvicorn starts each worker as a fresh interpreter: more than a second of imports, and a copy of
what was imported for each. The fork server of :mod:`multiprocessing` imports once, and has neither
threads nor an event loop that a fork could break.
"""

import multiprocessing

from uvicorn import _subprocess


def preload_workers() -> None:
    """Let uvicorn fork its workers, where the system can."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["app.preloaded"])
    vars(_subprocess)["spawn"] = context
