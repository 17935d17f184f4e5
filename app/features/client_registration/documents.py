"""Client ID metadata documents: a URL as client id, where the client says what it is.

draft-ietf-oauth-client-id-metadata-document. When such a client comes to ``/authorize``, its
document is read, and a client of that id kept like one that registered itself: everything else here
finds it as it finds any other.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app import NAME
from app.audit.trail import Origin, network_of
from app.clock import Clock
from app.database.engines import Database
from app.errors import LoginRefused, OAuth2Error
from app.features.client_registration import service
from app.features.client_registration.fetching import (
    Fetched,
    Fetcher,
    RefusedDocumentError,
    UnreachableDocumentError,
)
from app.features.client_registration.model import SelfRegistration
from app.features.client_registration.statement import (
    InvalidClientMetadataError,
    Statement,
    read_statement,
)
from app.identity.clients import UnknownClientError, web_origin
from app.identity.resources import Resources
from app.log import get_logger
from app.login.counts import (
    add_failure,
    hold_counts,
    require_no_wait,
    time_left,
)
from app.message import Message
from app.models import Client
from app.security.opaque import hash_secret
from app.settings import Settings

MAX_URL_LENGTH = 255

STILL_GOOD = timedelta(days=1)
"""For which a document serves on that cannot be read anew at the moment."""

MOST_AT_ONCE = 4
"""Documents that a worker reads."""

LONGEST_WAIT = 10.0
"""Seconds for which a document waits until others are read."""

MOST_FAILURES = 20
"""Documents from one network that cannot be read, until it has to wait for a while."""

_URL = re.compile(r"https://[\x21\x23-\x7e]+")

log = get_logger(NAME)


def is_document_url(client_id: str) -> bool:
    """Whether a client id can be the URL of a document (section 3 of the draft)."""
    if len(client_id) > MAX_URL_LENGTH or not _URL.fullmatch(client_id):
        return False
    if re.search(r"[#\\<>^`{|}@]", client_id):
        return False
    try:
        parts = urlsplit(client_id)
        host, _port = parts.hostname, parts.port
    except ValueError:
        return False
    segments = parts.path.split("/")
    return bool(host) and parts.path not in ("", "/") and {".", ".."}.isdisjoint(segments)


class MetadataDocuments:
    """Makes the clients known that have a document."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        clock: Clock,
        resources: Resources,
        fetch: Callable[[str], Awaitable[Fetched]] | None = None,
    ) -> None:
        """Nothing is read yet."""
        self._settings = settings
        self._database = database
        self._clock = clock
        self._resources = resources
        self._fetch = fetch or Fetcher().fetch
        self._slots = asyncio.Semaphore(MOST_AT_ONCE)

    async def introduce(self, client_id: str, origin: Origin) -> bool:
        """Keep what the document of the client says, if there is one to read now.

        Returns whether anything was written. Raises :class:`UnknownClientError`, which a person is
        told.
        """
        if not is_document_url(client_id):
            return False
        now = self._clock.now()
        query = (
            select(SelfRegistration.fresh_until, Client.disabled_at)
            .join_from(Client, SelfRegistration, isouter=True)
            .where(Client.client_id == client_id)
        )
        async with self._database.read() as connection:
            known = (await connection.execute(query)).one_or_none()
        if known is not None and (
            known.fresh_until is None or known.disabled_at is not None or known.fresh_until > now
        ):
            return False
        try:
            await self._introduce(client_id, origin)
        except UnreachableDocumentError as error:
            log.info("cannot read the document of a client", reason=str(error))
            if known is not None and known.fresh_until + STILL_GOOD > now:
                return False
            raise UnknownClientError(
                Message("The application's description cannot be read")
            ) from None
        except (RefusedDocumentError, OAuth2Error) as error:
            log.info("the document of a client is refused", reason=str(error))
            raise UnknownClientError(
                Message("The application's description is not accepted")
            ) from None
        except LoginRefused:
            raise UnknownClientError(
                Message("Too many applications came from your network")
            ) from None
        return True

    async def _introduce(self, client_id: str, origin: Origin) -> None:
        key = hash_secret(f"client documents {network_of(origin.address)}")

        async def look(connection: AsyncConnection) -> None:
            now = self._clock.now()
            count, last = (await hold_counts(connection, [key], now))[key]
            lockout = timedelta(seconds=self._settings.login_lockout_seconds)
            require_no_wait(time_left(count, last, MOST_FAILURES, lockout, now))

        async def fail(connection: AsyncConnection) -> None:
            await hold_counts(connection, [key], self._clock.now())
            await add_failure(connection, [key], self._clock.now())

        await self._database.transact(look)
        try:
            async with asyncio.timeout(LONGEST_WAIT):
                await self._slots.acquire()
        except TimeoutError:
            raise UnreachableDocumentError("too many documents are read at the moment") from None
        try:
            # Others from the network have failed while this one waited.
            await self._database.transact(look)
            fetched = await self._fetch(client_id)
            statement = read_document(client_id, fetched.document, self._settings)
        except (RefusedDocumentError, UnreachableDocumentError, OAuth2Error):
            await self._database.transact(fail)
            raise
        finally:
            self._slots.release()

        async def keep(connection: AsyncConnection) -> None:
            now = self._clock.now()
            fresh_until = now + timedelta(seconds=fetched.max_age)
            await self._keep(connection, client_id, statement, origin, now, fresh_until)

        await self._database.transact(keep)

    async def _keep(
        self,
        connection: AsyncConnection,
        client_id: str,
        statement: Statement,
        origin: Origin,
        now: datetime,
        fresh_until: datetime,
    ) -> None:
        known = select(Client.client_id).where(Client.client_id == client_id)
        is_new = await connection.scalar(known) is None
        if is_new:
            await service.require_room(connection, self._settings, origin, now)
            # Another request may have been faster while this one stood in line.
            is_new = await connection.scalar(known) is None
        name = statement.name(urlsplit(client_id).netloc)
        if is_new:
            await service.add(
                connection,
                statement,
                self._resources,
                client_id=client_id,
                name=name,
                origin=origin,
                now=now,
                fresh_until=fresh_until,
            )
        else:
            await service.replace(
                connection,
                statement,
                self._resources,
                client_id=client_id,
                name=name,
                origin=origin,
                now=now,
                fresh_until=fresh_until,
            )


def read_document(client_id: str, document: object, settings: Settings) -> Statement:
    """What the document at that URL says (section 4 of the draft). Raises :class:`OAuth2Error`."""
    if not isinstance(document, dict) or document.get("client_id") != client_id:
        raise InvalidClientMetadataError(reason="the document is not about this URL")
    stated = {name: value for name, value in document.items() if value is not None}
    secrets = {"client_secret", "client_secret_expires_at"}
    if not secrets.isdisjoint(stated) or (
        stated.get("token_endpoint_auth_method", "none") != "none"
    ):
        raise InvalidClientMetadataError(reason="the document is not of a public client")
    origin = web_origin(client_id) or ""
    return read_statement(document, settings.client_registration_schemes, origin)
