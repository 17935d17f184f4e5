"""Fail unless enough branches of ``app`` were taken: the last line of ``make coverage``."""

import json
import sys
from pathlib import Path

REPORT = Path("coverage.json")
"""What pytest-cov writes with ``--cov-report=json``."""

NEEDED = 95.0
"""Percent."""


def main() -> None:
    """Exit with code 1 if there are too few."""
    totals = json.loads(REPORT.read_text())["totals"]
    taken = 100 * totals["covered_branches"] / totals["num_branches"]
    print(f"Branches: {taken:.2f} % of {totals['num_branches']}, {NEEDED:g} % needed")
    sys.exit(taken < NEEDED)


if __name__ == "__main__":
    main()
