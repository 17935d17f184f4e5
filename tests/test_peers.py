"""The second table of `make bench ARGS="--peers"`. Nothing is installed or timed in here."""

import re
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from scripts.bench import load
from scripts.bench.load import Sample, closed_loop, repeat, request
from scripts.bench.peers import environments
from scripts.bench.peers.clients import CLIENTS
from scripts.bench.peers.environments import APPLICATIONS, MissingEnvironmentError
from scripts.bench.peers.servers import PEERS
from scripts.bench.peers.table import HEADINGS, OURS, Measured, lines
from scripts.bench.scenarios import SCENARIOS


def sample(rate: float, cpu_ms: float, database_ms: float = 0.0, errors: int = 0) -> Sample:
    return Sample(rate, cpu_ms, database_ms, 4.0, 9.0, errors=("500",) * errors)


def test_a_row_has_the_medians_of_each_server_and_how_many_times_as_good_ours_is() -> None:
    row = {
        OURS: Measured([sample(300, 0.2, 0.05), sample(200, 0.2, 0.05)], memory=150.4),
        "slow": Measured([sample(1.5, 300, 1), sample(2.5, 299, errors=2)], 60, "pbkdf2_sha256"),
        "fast": Measured([sample(600, 0.15), sample(400, 0.1)], memory=90),
    }
    ours, slow, fast = (dict(zip(HEADINGS, line, strict=True)) for line in lines("bearer", row))
    assert ours == {
        "row": "bearer",
        "server": "Latchkey",
        "requests/s": "250.0",
        "ratio": "",
        "(of rounds)": "",
        "CPU ms": "0.200",
        "database": "0.050",
        "CPU ratio": "",
        "p50 ms": "4.0",
        "p99 ms": "9.0",
        "MiB": "150",
        "errors": "0",
        "hash": "",
    }
    assert (slow["ratio"], slow["(of rounds)"], slow["CPU ratio"]) == (
        "140",
        "(80.00-200)",
        "1,200",
    )
    assert (slow["errors"], slow["hash"]) == ("2", "pbkdf2_sha256")
    assert (fast["ratio"], fast["CPU ratio"]) == ("0.50", "0.50")


def test_a_peer_is_asked_for_rows_that_there_are() -> None:
    assert set(CLIENTS) <= {scenario.name for scenario in SCENARIOS}
    for peer in PEERS:
        assert set(peer.hashes) <= set(peer.paths) <= set(CLIENTS)


def test_everything_that_a_peer_needs_has_a_version_and_no_address() -> None:
    requirements = sorted(APPLICATIONS.glob("*/requirements.txt"))
    assert len(requirements) == 2
    for path in requirements:
        needed = [line for line in path.read_text().splitlines() if not line.startswith("#")]
        assert [each for each in needed if not re.fullmatch(r"[\w.-]+==[\w.]+", each)] == []


def test_a_peer_without_its_environment_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environments, "ENVIRONMENTS", tmp_path)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingEnvironmentError, match=r"^it needs Node and npm$"):
        environments.node_modules_of("oidc_provider")


class Closing(BaseHTTPRequestHandler):
    """Closes the connection after each answer, as gunicorn does."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def closing_server() -> Generator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Closing) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_load_goes_on_over_connections_that_a_server_closes(
    closing_server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "WARM_UP", 0.0)
    clients = [repeat(request("GET", "/")) for _ in range(2)]
    port = closing_server.server_address[1]
    measured = closed_loop(port, clients, 0.05, lambda: (0.0, 0.0), least=10)
    assert measured.errors == ()
    assert measured.rate > 0
