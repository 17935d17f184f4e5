"""Write the OpenAPI document of a new development server: ``make openapi``."""

import asyncio
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2

from app.database.migrations import upgrade
from app.main import create_app
from app.settings import Settings


async def read_document(database_url: str) -> object:
    """What ``/openapi.json`` answers on a migrated database."""
    app = create_app(Settings(environment="development", database_url=database_url))
    transport = httpx2.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as http,
    ):
        response = await http.get("/openapi.json")
        return response.raise_for_status().json()


def main() -> None:
    """Write to the file that the one argument names."""
    with TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/openapi.db"
        upgrade(url)
        document = asyncio.run(read_document(url))
    Path(sys.argv[1]).write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
