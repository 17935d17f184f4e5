"""HTTP Digest: the credentials of users who asked for them, and counting nonces."""

import hashlib
import unicodedata
import uuid
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import FeatureEventType
from app.database.engines import Database, insert_unless
from app.features.schemes.model import DigestCredential, DigestNonce
from app.identity.profile import username_key
from app.models import User
from app.security.encryption import Encryption, UndecryptableError
from app.security.opaque import hash_secret

SET = FeatureEventType("digest.set")
REMOVED = FeatureEventType("digest.removed")


@dataclass(frozen=True)
class DigestUser:
    """A user with a Digest credential; the HA1 is still encrypted."""

    user_id: uuid.UUID
    username: str
    ha1_sha256: str
    ha1_md5: str


async def find_digest_user(
    connection: AsyncConnection, username: str, realm: str
) -> DigestUser | None:
    """The enabled user of that name, if they have a credential for ``realm``."""
    row = (
        await connection.execute(
            select(User.id, User.username, DigestCredential.ha1_sha256, DigestCredential.ha1_md5)
            .join(DigestCredential, DigestCredential.user_id == User.id)
            .where(
                User.username_key == username_key(username),
                User.disabled_at.is_(None),
                DigestCredential.realm == realm,
            )
        )
    ).one_or_none()
    return None if row is None else DigestUser(*row)


async def set_digest_credential(
    connection: AsyncConnection,
    encryption: Encryption,
    *,
    user_id: uuid.UUID,
    username: str,
    password: str,
    realm: str,
    now: datetime,
) -> None:
    """Give a user a Digest credential, in place of the one that they may have."""
    # RFC 7616, section 3.4.2, in the form that `charset` asks clients for (section 4).
    secret = unicodedata.normalize("NFC", f"{username}:{realm}:{password}").encode()
    await remove_digest_credential(connection, user_id)
    await connection.execute(
        insert(DigestCredential).values(
            user_id=user_id,
            realm=realm,
            ha1_sha256=encryption.encrypt(hashlib.sha256(secret).hexdigest().encode()),
            ha1_md5=encryption.encrypt(
                hashlib.md5(secret, usedforsecurity=False).hexdigest().encode()
            ),
            created_at=now,
        )
    )


async def remove_digest_credential(connection: AsyncConnection, user_id: uuid.UUID) -> bool:
    """Take a user's Digest credential away; False if there is none."""
    of_user = DigestCredential.user_id == user_id
    return (await connection.execute(delete(DigestCredential).where(of_user))).rowcount > 0


async def count_nonce(database: Database, nonce: str, count: int, expires_at: datetime) -> bool:
    """Note that ``nonce`` was used with ``count``; False if it was with this or a higher one.

    One statement, so that of simultaneous uses at any number of workers one is accepted.
    """
    async with database.statement() as connection:
        statement = insert_unless(connection, DigestNonce).values(
            nonce_hash=hash_secret(nonce), count=count, expires_at=expires_at
        )
        counted = statement.on_conflict_do_update(
            index_elements=[DigestNonce.nonce_hash],
            set_={"count": statement.excluded.count},
            where=DigestNonce.count < statement.excluded.count,
        ).returning(DigestNonce.count)
        return await connection.scalar(counted) is not None


async def renew_digest_credentials(connection: AsyncConnection, encryption: Encryption) -> None:
    """Encrypt them under the newest secret. One that cannot be read stays as it is."""
    rows = await connection.execute(
        select(DigestCredential.user_id, DigestCredential.ha1_sha256, DigestCredential.ha1_md5)
    )
    for row in rows.all():
        if encryption.is_newest(row.ha1_sha256) and encryption.is_newest(row.ha1_md5):
            continue
        with suppress(UndecryptableError):
            await connection.execute(
                update(DigestCredential)
                .where(DigestCredential.user_id == row.user_id)
                .values(
                    ha1_sha256=encryption.encrypt(encryption.decrypt(row.ha1_sha256)),
                    ha1_md5=encryption.encrypt(encryption.decrypt(row.ha1_md5)),
                )
            )
