"""Several workers of one machine."""

import re
import sys
from pathlib import Path

import pytest

from tests.support.databases import Backend
from tests.support.live_server import live_server

MIB = 1024


def descendants(pid: int) -> list[int]:
    children = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [*children, *(found for child in children for found in descendants(child))]


def shared_with_each_other(pid: int) -> int:
    """KiB of memory that is no file's, and that another process has too."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = re.search(r"^Shared_Dirty: +(\d+) kB$", rollup, re.MULTILINE)
    assert found is not None
    return int(found[1])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what memory is shared")
def test_workers_share_what_they_import(sqlite: Backend) -> None:
    with live_server(sqlite.seeded(), workers=2) as server:
        shared = [shared_with_each_other(pid) for pid in descendants(server.pid)]
    # The two, and the process that they are forked from.
    assert sum(each > 25 * MIB for each in shared) == 3
