"""Draw where the time of one row goes, as a flame graph: ``make profile``.

    make profile ARGS="--only refresh --database sqlite --out refresh.svg"

py-spy looks at the server while the clients of the row keep it busy. To read it: each box is a
function, as wide as the share of the samples in which it was being run, on top of whoever called
it. Where a system does not let one process look at another, run it as root.
"""

import argparse
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path

from scripts.bench.fleet import Fleet
from scripts.bench.scenarios import SCENARIOS

RATE = 250
"""Samples a second."""


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("make profile ARGS=…", description=__doc__)
    names = [scenario.name for scenario in SCENARIOS]
    parser.add_argument("--only", metavar="NAME", choices=names, default="refresh")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="postgresql")
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--out", type=Path, help="NAME-DATABASE.svg unless it is given.")
    return parser.parse_args()


def main() -> int:
    """The exit code of py-spy."""
    options = _options()
    (scenario,) = (each for each in SCENARIOS if each.name == options.only)
    out = options.out or Path(f"{scenario.name}-{options.database}.svg")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="profile")))
        fleet = Fleet(stack, folder)
        context = fleet.context(scenario, options.database, options.seconds)
        load = threading.Thread(target=scenario.ours, args=(context,))
        load.start()
        command = ["py-spy", "record", "--pid", str(context.server.pid), "--output", str(out)]
        command += ["--duration", str(max(1, int(options.seconds) - 1)), "--rate", str(RATE)]
        code = subprocess.run([*command, "--nonblocking"], check=False).returncode
        load.join()
    return code


if __name__ == "__main__":
    sys.exit(main())
