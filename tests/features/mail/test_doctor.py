"""What ``latchkey doctor`` finds about mail."""

from pathlib import Path

import pytest

from app.operations.doctor import Severity, diagnose
from app.server import Server
from tests.conftest import make_settings
from tests.features.mail.conftest import SENDER
from tests.features.mail.sent import queue
from tests.support.clock import TestClock
from tests.support.on_sqlite import backend as backend


async def found(server: Server) -> dict[str, Severity]:
    findings = await diagnose(server)
    return {each.check: each.severity for each in findings if "mail" in each.check + each.found}


@pytest.mark.parametrize(
    ("url", "unsafe"),
    [
        ("smtp://user:password@relay.internal?starttls=off", True),
        ("smtp://relay.internal", False),
        ("smtps://relay.internal", False),
        ("smtp://127.0.0.1:25", False),
    ],
)
async def test_mail_in_plaintext_over_a_network_is_unsafe(
    url: str, unsafe: bool, database_url: str, clock: TestClock, tmp_path: Path
) -> None:
    settings = make_settings(database_url=database_url, smtp_url=url, mail_from=SENDER)
    server = Server(settings, clock)
    from app.features.mail import feature

    server.features = [feature]
    checks = {each.check: each.severity for each in await diagnose(server)}
    await server.close()
    assert checks.get("smtp-plaintext") == (Severity.UNSAFE if unsafe else None)


async def test_mail_that_waits_for_more_than_an_hour_is_found(
    sending_server: Server, clock: TestClock
) -> None:
    await queue(sending_server)
    clock.advance(3600)
    assert "mail-waits" not in await found(sending_server)
    clock.advance(1)
    assert (await found(sending_server))["mail-waits"] == Severity.WARNING
