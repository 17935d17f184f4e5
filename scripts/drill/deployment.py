"""Two instances of two workers each, on one PostgreSQL, behind nginx."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx2

from tests.support.live_server import CHEAP_DEVELOPMENT, ROOT, free_port

WORKERS = 2
GRACE = 2
"""Seconds between SIGTERM and the end of listening."""

PATIENCE = 120
"""Seconds in which an instance has started, or ended."""

NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")

CONFIGURATION = """
daemon off;
pid {folder}/nginx.pid;
{user}
error_log {folder}/nginx.log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream latchkey {{
        # The first to fail is not asked again for a second.
        server 127.0.0.1:{first} fail_timeout=1s;
        server 127.0.0.1:{second} fail_timeout=1s;
        keepalive 16;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://latchkey;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
        }}
    }}
}}
"""


class Instance:
    """One ``latchkey serve``, its own process group."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        """Nothing is started yet."""
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.settings = dict(settings)
        self._log = folder / f"instance-{self.port}.log"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """What it has written, over all its starts."""
        return self._log.read_text()

    def begin(self) -> None:
        """Start it, and do not wait."""
        address = ("--port", str(self.port), "--workers", str(WORKERS), "--grace", str(GRACE))
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "app", "serve", *address, "--no-access-log"],
                env={**os.environ, **self.settings},
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until_ready(self) -> None:
        """Return when it is ready for traffic, and every worker has begun to serve."""
        assert self._process is not None
        began = time.monotonic()
        with httpx2.Client(trust_env=False, timeout=5) as http:
            while time.monotonic() - began < PATIENCE:
                assert self._process.poll() is None, self.log
                try:
                    if http.get(f"{self.url}/readyz").status_code == 200:
                        return
                except httpx2.TransportError:
                    time.sleep(0.05)
        raise AssertionError(self.log)

    def workers(self) -> list[int]:
        """The processes of its workers, the newest first."""
        started = re.findall(r"Started server process \[(\d+)\]", self.log)
        return [int(pid) for pid in reversed(started) if Path(f"/proc/{pid}").exists()]

    def kill(self) -> None:
        """``kill -9`` of all that it is."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> int:
        """End it in an orderly way. Returns its exit code."""
        assert self._process is not None
        self._process.terminate()
        try:
            return self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            return -signal.SIGKILL

    def leave(self) -> None:
        """Leave nothing behind, whatever has happened."""
        if self._process is not None and self._process.poll() is None:
            self.kill()


class Deployment:
    """What is drilled."""

    def __init__(self, folder: Path, database_url: str, secrets: str) -> None:
        """``secrets`` are those of ``LATCHKEY_SECRET_KEY`` in the beginning."""
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.settings = {
            **CHEAP_DEVELOPMENT,
            "LATCHKEY_DATABASE_URL": database_url,
            "LATCHKEY_SECRET_KEY": secrets,
            "LATCHKEY_ISSUER": self.url,
            "LATCHKEY_LOG_FORMAT": "json",
            "PYTHONPATH": str(ROOT),
        }
        self.instances = [Instance(folder, self.settings) for _ in range(2)]
        self._folder = folder

    def command(self, *arguments: str) -> None:
        """Run one of the operator's commands."""
        subprocess.run(
            [sys.executable, "-m", "app", *arguments, "--json"],
            env={**os.environ, **self.settings},
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            check=True,
            timeout=PATIENCE,
        )

    def start_nginx(self) -> subprocess.Popen[bytes]:
        """nginx in front of both instances."""
        assert NGINX is not None, "the drill needs nginx (apt-get install nginx-light)"
        first, second = (each.port for each in self.instances)
        user = "user root;" if os.getuid() == 0 else ""
        written = CONFIGURATION.format(
            folder=self._folder, port=self.port, first=first, second=second, user=user
        )
        (self._folder / "nginx.conf").write_text(written)
        return subprocess.Popen(
            [NGINX, "-p", self._folder, "-c", self._folder / "nginx.conf"],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


@contextmanager
def deployed(folder: Path, database_url: str, secrets: str) -> Generator[Deployment]:
    """The deployment, started; nothing of it is left behind."""
    deployment = Deployment(folder, database_url, secrets)
    nginx = deployment.start_nginx()
    try:
        for instance in deployment.instances:
            instance.begin()
        for instance in deployment.instances:
            instance.wait_until_ready()
        yield deployment
    finally:
        for instance in deployment.instances:
            instance.leave()
        nginx.terminate()
        nginx.wait()
