"""``/mailbox``: mail where nobody has set up a mail server, in development alone."""

import httpx2
import pytest

from app.features.mail.queue import mail_is_on, queue_mail
from app.main import create_app
from app.server import Server
from app.settings import Settings
from tests.conftest import make_settings
from tests.features.mail.sent import letter, mails, queue, sender_of
from tests.support.flow import Page
from tests.support.on_sqlite import backend as backend
from tests.support.routes import every_route

PRODUCTION = {
    "environment": "production",
    "issuer": "https://auth.example.com",
    "secret_key": "a secret key of thirty-two bytes or more",
}


async def test_the_mailbox_shows_what_would_have_been_sent(
    http: httpx2.AsyncClient, server: Server
) -> None:
    assert "No mail yet." in Page(await http.get("/mailbox")).text
    await queue(server, "carol@example.com", subject="Hello, <Carol>")
    page = Page(await http.get("/mailbox"))
    assert page.all("h2") == ["Hello, <Carol>"]
    assert "to carol@example.com" in page.text
    assert "https://auth.example.com/it?token=the-token" in page.all("a")


async def test_a_mail_is_shown_as_a_mail_program_would_and_runs_nothing(
    http: httpx2.AsyncClient, server: Server
) -> None:
    await queue(server)
    (mail,) = await mails(server)
    response = await http.get(f"/mailbox/{mail.id}")
    assert response.text == mail.html
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; ")
    assert "sandbox" in policy
    assert "script-src" not in policy
    assert (await http.get("/mailbox/another")).status_code == 404


async def test_what_is_shown_stays_and_is_written_into_the_log_once(
    http: httpx2.AsyncClient, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    await queue(server)
    sender = sender_of(server)
    with caplog.at_level("INFO"):
        await sender.look()
        await sender.look()
    assert caplog.text.count("the-token") == 1
    assert len(await mails(server)) == 1


@pytest.mark.parametrize(
    "elsewhere",
    [
        pytest.param(PRODUCTION, id="production"),
        pytest.param(
            {"smtp_url": "smtp://127.0.0.1:9", "mail_from": "a@example.com"}, id="a mail server"
        ),
    ],
)
def test_there_is_no_mailbox(elsewhere: dict[str, object], settings: Settings) -> None:
    app = create_app(make_settings(database_url=settings.database_url, **elsewhere))
    assert [path for _, path in every_route(app) if path.startswith("/mailbox")] == []


async def test_in_production_without_a_mail_server_nothing_is_queued(
    server: Server, settings: Settings
) -> None:
    values = settings.model_dump(include={"database_url"})
    production = make_settings(**values, **PRODUCTION)
    assert not mail_is_on(production)
    async with server.database.transaction() as connection:
        queued = await queue_mail(
            connection, production, letter(), to="alice@example.com", now=server.clock.now()
        )
    assert (queued, await mails(server)) == (False, [])
