"""The queue of mails: what is said once is sent once, however the mail server is."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from app.features.mail import queue as queue_module
from app.features.mail.model import Mail
from app.features.mail.queue import LEASE, USEFUL_FOR, queue_mail, take_mail
from app.features.mail.sending import LOOK, PAUSE, Sender
from app.operations.purge import purge
from app.server import Server
from app.settings import Settings
from tests.features.mail.post_office import PostOffice
from tests.features.mail.sent import letter, mails, queue, sender_of
from tests.support.clock import TestClock
from tests.support.flow import dump
from tests.support.operators import events

AWAY = "421 Come back later"
NOT_NOW = "450 The mailbox is busy"
NEVER = "550 There is no such mailbox"


@pytest.fixture
async def workers(
    sending_server: Server, with_office: Settings, clock: TestClock
) -> AsyncGenerator[Sequence[Sender]]:
    """Senders of three processes."""
    others = [Server(with_office, clock, sending_server.features) for _ in range(2)]
    yield [sender_of(each) for each in (sending_server, *others)]
    for each in others:
        await each.close()


@pytest.fixture
def sender(sending_server: Server) -> Sender:
    return sender_of(sending_server)


async def what_became(server: Server) -> list[tuple[str, str | None]]:
    return [
        (event.type, event.details.get("reason"))
        for event in await events(server)
        if event.type.startswith("mail.")
    ]


async def test_a_mail_is_sent_and_forgotten_and_the_trail_says_so(
    sending_server: Server, sender: Sender, office: PostOffice
) -> None:
    await queue(sending_server)
    assert await sender.look() == LOOK
    assert office.recipients == ["alice@example.com"]
    assert await mails(sending_server) == []
    assert await what_became(sending_server) == [("mail.sent", None)]


async def test_a_mail_of_a_transaction_that_is_undone_is_not_sent(
    sending_server: Server, sender: Sender, office: PostOffice
) -> None:
    async with sending_server.database.transaction() as connection:
        now, settings = sending_server.clock.now(), sending_server.settings
        assert await queue_mail(connection, settings, letter(), to="alice@example.com", now=now)
        await connection.rollback()
    await sender.look()
    assert office.recipients == []


async def test_of_workers_that_look_at_the_same_time_each_mail_has_one(
    sending_server: Server, workers: Sequence[Sender], office: PostOffice
) -> None:
    addresses = [f"user{number}@example.com" for number in range(12)]
    for address in addresses:
        await queue(sending_server, address)
    await asyncio.gather(*(worker.look() for worker in workers))
    assert sorted(office.recipients) == sorted(addresses)


async def test_what_a_worker_took_and_did_not_send_is_sent_by_another_after_its_lease(
    sending_server: Server, sender: Sender, office: PostOffice, clock: TestClock
) -> None:
    await queue(sending_server)
    database, encryption = sending_server.database, sending_server.encryption
    assert await take_mail(database, encryption, clock.now()) is not None  # and dies
    await sender.look()
    assert office.recipients == []
    clock.advance(LEASE.total_seconds())
    await sender.look()
    assert office.recipients == ["alice@example.com"]


async def test_what_waits_can_be_read_by_nobody_who_has_only_the_database(
    sending_server: Server,
) -> None:
    await queue(sending_server, "carol@example.com")
    rows = await dump(sending_server)
    for text in ("carol", "the-token", "1234 5678", "Something has happened"):
        assert text not in rows


async def test_a_mail_server_that_is_away_for_an_hour_loses_nothing(
    sending_server: Server, sender: Sender, office: PostOffice, clock: TestClock
) -> None:
    office.to_sender = AWAY
    addresses = [f"user{number}@example.com" for number in range(5)]
    for address in addresses:
        await queue(sending_server, address)
    for _ in range(12):
        assert await sender.look() == PAUSE
        clock.advance(300)
    assert office.recipients == []
    office.to_sender = ""
    clock.advance(queue_module.LONGEST_PAUSE.total_seconds())
    await sender.look()
    assert sorted(office.recipients) == addresses


async def test_a_mail_server_that_is_away_is_not_asked_for_each_mail(
    sending_server: Server, sender: Sender, office: PostOffice
) -> None:
    office.to_sender = AWAY
    for _ in range(3):
        await queue(sending_server)
    assert await sender.look() == PAUSE
    assert [mail.attempts for mail in await mails(sending_server)].count(1) == 1
    assert office.connections == 1


async def test_a_mail_that_is_refused_for_good_is_given_up_and_the_others_are_sent(
    sending_server: Server, sender: Sender, office: PostOffice
) -> None:
    office.to_recipient["nobody@example.com"] = NEVER
    for address in ("alice@example.com", "nobody@example.com", "bob@example.com"):
        await queue(sending_server, address)
        sending_server.clock.advance(1)  # type: ignore[attr-defined]
    await sender.look()
    assert office.recipients == ["alice@example.com", "bob@example.com"]
    assert await mails(sending_server) == []
    assert ("mail.failed", "the mail server answered 550") in await what_became(sending_server)


async def test_a_mail_that_is_refused_for_now_is_tried_later_and_later(
    sending_server: Server, sender: Sender, office: PostOffice, clock: TestClock
) -> None:
    office.to_recipient["busy@example.com"] = NOT_NOW
    await queue(sending_server, "busy@example.com")
    await queue(sending_server, "alice@example.com")
    pauses = []
    for _ in range(7):
        await sender.look()
        async with sending_server.database.read() as connection:
            due_at = await connection.scalar(select(Mail.due_at))
        assert due_at is not None
        pauses.append((due_at - clock.now()).total_seconds())
        clock.advance(pauses[-1])
    assert pauses == [30, 60, 120, 240, 480, 900, 900]
    assert office.recipients == ["alice@example.com"]
    del office.to_recipient["busy@example.com"]
    await sender.look()
    assert office.recipients == ["alice@example.com", "busy@example.com"]


async def test_a_mail_is_given_up_when_what_it_says_is_over(
    sending_server: Server, sender: Sender, office: PostOffice, clock: TestClock
) -> None:
    await queue(sending_server, expires_at=clock.now() + timedelta(hours=1))
    clock.advance(3600)
    await sender.look()
    assert office.recipients == []
    assert await mails(sending_server) == []
    reason = "the mail server did not take it in time"
    assert await what_became(sending_server) == [("mail.failed", reason)]


async def test_no_mail_waits_for_longer_than_two_days(
    sending_server: Server, clock: TestClock
) -> None:
    await queue(sending_server)
    await queue(sending_server, expires_at=clock.now() + timedelta(days=30))
    assert {mail.expires_at for mail in await mails(sending_server)} == {clock.now() + USEFUL_FOR}


async def test_a_lost_answer_of_the_mail_server_means_the_same_message_again(
    sending_server: Server, sender: Sender, office: PostOffice, clock: TestClock
) -> None:
    await queue(sending_server)
    office.loses_answers = True
    await sender.look()
    office.loses_answers = False
    clock.advance(60)
    await sender.look()
    first, second = office.delivered
    assert first.message["Message-ID"] == second.message["Message-ID"]


async def test_what_the_server_accepted_is_not_sent_again_because_the_database_was_away(
    sending_server: Server,
    sender: Sender,
    office: PostOffice,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await queue(sending_server)

    async def fail(*_: object) -> None:
        raise TimeoutError

    with monkeypatch.context() as outage:
        outage.setattr("app.features.mail.sending.mail_sent", fail)
        assert await sender.look() == PAUSE
    await sender.look()
    assert office.recipients == ["alice@example.com"]
    assert await mails(sending_server) == []


async def test_a_full_queue_takes_no_more_and_says_so_to_whoever_asks(
    sending_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_module, "MOST_WAITING", 2)
    await queue(sending_server)
    await queue(sending_server)
    async with sending_server.database.transaction() as connection:
        now, settings = sending_server.clock.now(), sending_server.settings
        to = "alice@example.com"
        assert not await queue_mail(connection, settings, letter(), to=to, now=now)
    assert len(await mails(sending_server)) == 2


async def test_what_is_encrypted_under_a_lost_key_is_given_up(
    sending_server: Server, sender: Sender
) -> None:
    await queue(sending_server)
    async with sending_server.database.transaction() as connection:
        await connection.execute(update(Mail).values(sealed="gAAAAA"))
    await sender.look()
    ((event, reason),) = await what_became(sending_server)
    assert event == "mail.failed"
    assert reason is not None
    assert reason.startswith("LATCHKEY_SECRET_KEY no longer has the key")


async def test_what_waits_is_encrypted_under_the_newest_key_at_the_next_start(
    sending_server: Server, with_office: Settings, clock: TestClock, office: PostOffice
) -> None:
    old = with_office.secret_keys[0]
    await queue(sending_server)
    both = with_office.model_copy(
        update={"secret_key": [*_secrets("another secret key of thirty-two bytes", old)]}
    )
    for settings in (both, both.model_copy(update={"secret_key": both.secret_key[:1]})):
        server = Server(settings, clock, sending_server.features)
        await server.start()
        await server.close()
    await sender_of(server).look()
    assert office.recipients == ["alice@example.com"]
    await server.close()


def _secrets(*values: str) -> list[object]:
    from pydantic import SecretStr

    return [SecretStr(value) for value in values]


async def test_a_purge_deletes_what_nobody_has_tried_a_day_after_it_was_over(
    sending_server: Server, clock: TestClock
) -> None:
    await queue(sending_server)
    clock.advance((USEFUL_FOR + timedelta(hours=23)).total_seconds())
    assert (await purge(sending_server))["mails"] == 0
    clock.advance(2 * 3600)
    assert (await purge(sending_server))["mails"] == 1
