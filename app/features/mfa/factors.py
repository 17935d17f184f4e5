"""The two factors of this feature: the code of an app, and a recovery code in its place."""

from collections.abc import Sequence

from app.audit.trail import Event, record
from app.features.mfa import recovery_codes, totp
from app.features.mfa.service import CODE_USED
from app.login.notices import FactorChanged
from app.login.second_step import Factor, Shown
from app.login.strength import Level


async def _prove_otp(shown: Shown) -> Sequence[str] | None:
    right = await totp.use_code(
        shown.connection,
        shown.settings,
        shown.user_id,
        shown.fields.get(OTP.method, ""),
        shown.clock.now(),
    )
    return ("otp", "mfa") if right else None


async def _prove_recovery_code(shown: Shown) -> Sequence[str] | None:
    connection, user_id, now = shown.connection, shown.user_id, shown.clock.now()
    code = shown.fields.get(RECOVERY_CODE.method, "")
    if not await recovery_codes.use_recovery_code(connection, user_id, code):
        return None
    used = Event(
        type=CODE_USED,
        actor=str(user_id),
        user_id=user_id,
        client_id=shown.client_id,
        origin=shown.origin,
        details={"left": await recovery_codes.count_left(connection, user_id)},
    )
    await record(connection, now, used)
    notice = FactorChanged(user_id=user_id, at=now, origin=shown.origin, what="recovery_code_used")
    await shown.notify(connection, notice)
    return ("mfa",)  # RFC 8176 has no name for what is on paper


OTP = Factor(
    method="otp",
    level=Level.FACTOR,
    elsewhere=True,
    template="mfa/otp.html",
    has=totp.HAS_TOTP,
    prove=_prove_otp,
    reset=totp.remove,
)

RECOVERY_CODE = Factor(
    method="recovery_code",
    level=Level.FACTOR,
    elsewhere=True,
    template="mfa/recovery_code.html",
    has=recovery_codes.HAS_CODES,
    prove=_prove_recovery_code,
    reset=recovery_codes.delete_codes,
    fallback=True,
)
