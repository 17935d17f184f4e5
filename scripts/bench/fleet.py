"""The servers of a benchmark."""

from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path

from scripts.bench.hello import APPLICATIONS
from scripts.bench.scenarios import CONNECTIONS, Context, Scenario
from scripts.bench.servers import Server, hello, latchkey
from tests.support.databases import Backend, postgresql, sqlite


class Fleet:
    """The servers, each started when a scenario first needs it."""

    def __init__(
        self, stack: ExitStack, folder: Path, grown: int = 0, connections: int = CONNECTIONS
    ) -> None:
        """The servers end with ``stack``, and write into ``folder``.

        ``grown`` is how many logins and refresh tokens each database has from before, and
        ``connections`` how many their clients have together.
        """
        self._grown = grown
        self._connections = connections
        self._stack = stack
        self._folder = folder
        self._servers: dict[object, Server] = {}
        self._backends: dict[str, Backend] = {}
        self.hello = {
            framework: stack.enter_context(hello(folder, framework)) for framework in APPLICATIONS
        }

    def server(self, scenario: Scenario, database: str) -> Server:
        """Latchkey on that kind of database, as the scenario wants it."""
        key = database, scenario.workers, *sorted(scenario.settings.items())
        if key not in self._servers:
            backend = self.backend(database)
            url = backend.migrated()
            self._stack.callback(backend.drop, url)
            self._servers[key] = self._stack.enter_context(
                latchkey(url, scenario.settings, self._folder, scenario.workers, self._grown)
            )
        return self._servers[key]

    def context(self, scenario: Scenario, database: str, seconds: float) -> Context:
        """What the measurements of the scenario get."""
        server = self.server(scenario, database)
        alone = self.server(replace(scenario, workers=1), database)
        return Context(server, self.hello, alone, seconds, self._connections)

    def backend(self, database: str) -> Backend:
        """The kind of database, ready to make some."""
        if database not in self._backends:
            opened: AbstractContextManager[Backend] = (
                sqlite(self._folder) if database == "sqlite" else postgresql(durable=True)
            )
            self._backends[database] = self._stack.enter_context(opened)
        return self._backends[database]
