"""Recovery codes: ten secrets on paper, each good once, for whoever has lost their authenticator.

125 random bits each, so a fast hash keeps them (NIST SP 800-63B, section 3.1.2.2).
"""

import secrets
import uuid

from sqlalchemy import delete, exists, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.features.mfa.model import RecoveryCode
from app.login.conditions import USER_ID
from app.security.opaque import hash_secret

COUNT = 10
GROUPS, GROUP_LENGTH = 5, 5
LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
"""32, without those that look like others."""


HAS_CODES = exists().where(RecoveryCode.user_id == USER_ID)
"""The user has one left."""


async def replace_codes(connection: AsyncConnection, user_id: uuid.UUID) -> list[str]:
    """Make ten new codes, which are shown this once; those of before are void."""
    await delete_codes(connection, user_id)
    codes = [_generate() for _ in range(COUNT)]
    rows = [{"user_id": user_id, "code_hash": _hash(code)} for code in codes]
    await connection.execute(insert(RecoveryCode), rows)
    return codes


async def use_recovery_code(connection: AsyncConnection, user_id: uuid.UUID, code: str) -> bool:
    """Use a code up; False if it is not one of the user's, or was used before."""
    used = await connection.execute(
        delete(RecoveryCode)
        .where(RecoveryCode.user_id == user_id, RecoveryCode.code_hash == _hash(code))
        .returning(RecoveryCode.user_id)
    )
    return used.one_or_none() is not None


async def count_left(connection: AsyncConnection, user_id: uuid.UUID) -> int:
    """How many of the user's codes are unused."""
    left = select(func.count()).where(RecoveryCode.user_id == user_id)
    return await connection.scalar(left) or 0


async def delete_codes(connection: AsyncConnection, user_id: uuid.UUID) -> bool:
    """Delete all of them; False if there were none."""
    gone = await connection.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    return gone.rowcount > 0


def _generate() -> str:
    letters = [secrets.choice(LETTERS) for _ in range(GROUPS * GROUP_LENGTH)]
    groups = range(0, len(letters), GROUP_LENGTH)
    return "-".join("".join(letters[each : each + GROUP_LENGTH]) for each in groups)


def _hash(code: str) -> str:
    return hash_secret("".join(code.lower().replace("-", "").split()))
