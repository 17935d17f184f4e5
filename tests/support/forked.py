"""The operator's command line in processes of their own, forked from one that has imported it all.

What a server imports takes more of the processor than most tests that start one.
"""

import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

from app import NAME
from app.database.schema import ROOT

FORKING = multiprocessing.get_context("forkserver")
FORKING.set_forkserver_preload(["app.preloaded", "app.cli.serve"])


def start_forked(
    arguments: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path
) -> BaseProcess:
    """Start ``latchkey`` in ``folder`` with this environment; what it writes goes to ``log``.

    Where ``PYTHONPATH`` leads elsewhere, it imports what is there.
    """
    process = FORKING.Process(target=_become, args=(arguments, environment, folder, log))
    process.start()
    return process


def _become(
    arguments: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path
) -> None:
    from app.__main__ import cli  # the environment of the tests is not that of the server

    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    with open(os.devnull, "rb") as nothing, log.open("ab") as output:
        os.dup2(nothing.fileno(), 0)
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    if environment["PYTHONPATH"] != str(ROOT):
        os.execv(sys.executable, [sys.executable, "-m", "app", *arguments])
    cli(arguments, prog_name=NAME)
