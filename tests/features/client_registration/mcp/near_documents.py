"""A server as any other, but that it reads documents of clients on this machine alone.

Run as a program: ``python -m tests.features.client_registration.mcp.near_documents PORT``.
"""

import sys
from dataclasses import replace

import uvicorn

from app.clock import Clock
from app.database.engines import Database
from app.feature import Introduce
from app.features import load_features
from app.features.client_registration.documents import MetadataDocuments
from app.features.client_registration.fetching import Fetcher
from app.identity.resources import Resources
from app.main import create_app
from app.settings import Settings


def introduce(
    settings: Settings, database: Database, clock: Clock, resources: Resources
) -> Introduce:
    fetcher = Fetcher(lambda address: address.is_loopback)
    return MetadataDocuments(settings, database, clock, resources, fetcher.fetch).introduce


if __name__ == "__main__":
    features = [
        replace(each, introduce=introduce) if each.name == "client_registration" else each
        for each in load_features()
    ]
    app = create_app(features=features)
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
