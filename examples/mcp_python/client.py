"""An MCP client with the Python SDK: it registers itself, logs a user in, calls a tool, refreshes.

pip install -r requirements.txt
RESOURCE=http://127.0.0.1:8001/mcp python client.py
"""

import asyncio
import os
import webbrowser
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp import Client
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pydantic import AnyUrl

RESOURCE = os.environ.get("RESOURCE", "http://127.0.0.1:8001/mcp")
CLIENT_ID = os.environ.get("CLIENT_ID")  # the URL of its metadata document, if it has one


class InMemory:
    """Where the client keeps what it was given; a real one uses the keyring of the system."""

    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        """The tokens of the user."""
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        """Keep the tokens of the user."""
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        """What the client registered as."""
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        """Keep what the client registered as."""
        self.client = client_info


class Loopback:
    """Waits on the loopback interface for the browser to come back (RFC 8252, section 7.3)."""

    async def __aenter__(self) -> "Loopback":
        """Listen on any free port."""
        self.answer: asyncio.Future[AuthorizationCodeResult] = asyncio.Future()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.uri = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/callback"
        return self

    async def __aexit__(self, *_: object) -> None:
        """Listen no more."""
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target = (await reader.readline()).split()[1].decode()
        told = {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nYou can close this window.")
        await writer.drain()
        writer.close()
        if "code" in told and not self.answer.done():
            self.answer.set_result(
                AuthorizationCodeResult(
                    code=told["code"], state=told.get("state"), iss=told.get("iss")
                )
            )

    async def wait(self) -> AuthorizationCodeResult:
        """What came back."""
        return await asyncio.wait_for(self.answer, 120)


async def open_browser(url: str) -> None:
    """Send the user to the login page."""
    print("Open", url, flush=True)
    webbrowser.open(url)


async def ask(client: Client) -> None:
    """Call the tool."""
    result = await client.call_tool("whoami", {})
    print("It says", result.content[0].text, flush=True)


async def main() -> None:
    """Call the tool before and after a refresh."""
    storage = InMemory()
    async with Loopback() as loopback:
        metadata = OAuthClientMetadata(
            client_name="Example of an MCP client", redirect_uris=[AnyUrl(loopback.uri)]
        )
        auth = OAuthClientProvider(
            RESOURCE,
            metadata,
            storage,
            open_browser,
            loopback.wait,
            client_metadata_url=CLIENT_ID,
        )
        async with (
            httpx2.AsyncClient(auth=auth, follow_redirects=True, timeout=60) as http,
            Client(streamable_http_client(RESOURCE, http_client=http)) as client,
        ):
            await ask(client)
            before = storage.tokens.refresh_token
            auth.context.token_expiry_time = 1  # as if the access token had expired meanwhile
            await ask(client)
            print("Refreshed", storage.tokens.refresh_token != before, flush=True)


if __name__ == "__main__":
    asyncio.run(main())
