"""An MCP client with fastmcp: it registers itself, logs a user in, calls a tool, refreshes.

pip install -r requirements.txt
RESOURCE=http://127.0.0.1:8001/mcp python client.py
"""

import asyncio
import os

from fastmcp import Client
from fastmcp.client.auth import OAuth

RESOURCE = os.environ.get("RESOURCE", "http://127.0.0.1:8001/mcp")
CLIENT_ID = os.environ.get("CLIENT_ID")  # the URL of its metadata document, if it has one


class Announced(OAuth):
    """Tells the address that it opens, for whoever has no browser here."""

    async def redirect_handler(self, authorization_url: str) -> None:
        """Send the user to the login page."""
        print("Open", authorization_url, flush=True)
        await super().redirect_handler(authorization_url)


async def ask(client: Client) -> None:
    """Call the tool."""
    result = await client.call_tool("whoami", {})
    print("It says", result.content[0].text, flush=True)


async def main() -> None:
    """Call the tool before and after a refresh."""
    auth = Announced(RESOURCE, callback_host="127.0.0.1", client_metadata_url=CLIENT_ID)
    async with Client(RESOURCE, auth=auth) as client:
        await ask(client)
        before = auth.context.current_tokens.refresh_token
        auth.context.token_expiry_time = 1  # as if the access token had expired meanwhile
        await ask(client)
        print("Refreshed", auth.context.current_tokens.refresh_token != before, flush=True)


if __name__ == "__main__":
    asyncio.run(main())
