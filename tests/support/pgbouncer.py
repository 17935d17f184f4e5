"""Debian's PgBouncer in front of a PostgreSQL of the tests."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.live_server import free_port

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")

SERVERS = 3
"""Connections to PostgreSQL: fewer than a worker opens here, so that they change hands."""

CONFIGURATION = """
[databases]
* = host={host}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {folder}/users
pool_mode = {mode}
default_pool_size = {size}
logfile = {folder}/log
pidfile = {folder}/pid
"""


@contextmanager
def pgbouncer(url: str, mode: str) -> Generator[str]:
    """The URL of the same database through PgBouncer, which pools by ``mode``."""
    if PROGRAM is None:
        pytest.skip("the tests of PgBouncer need it (apt-get install pgbouncer)")
    parts = urlsplit(url)
    port = free_port()
    # One connection is one client's for as long as it is connected: there must be enough.
    size = SERVERS if mode == "transaction" else 40
    with tempfile.TemporaryDirectory(prefix="bouncer", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "users").write_text('"postgres" ""\n')
        host = parse_qs(parts.query)["host"][0]
        written = CONFIGURATION.format(host=host, port=port, folder=folder, mode=mode, size=size)
        (folder / "ini").write_text(written)
        account = []
        if os.getuid() == 0:  # it refuses to run as root
            shutil.chown(folder, "nobody", "nogroup")
            account = ["-u", "nobody"]
        process = subprocess.Popen(
            [PROGRAM, "-q", *account, folder / "ini"], stderr=subprocess.DEVNULL
        )
        try:
            while not (folder / "pid").exists():
                assert process.poll() is None
                time.sleep(0.01)
            yield f"postgresql://postgres@127.0.0.1:{port}{parts.path}"
        finally:
            process.terminate()
            process.wait()
