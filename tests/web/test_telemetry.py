"""Traces and metrics for a collector, and the ids by which the log, they and the trail meet."""

import logging

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from app.main import create_app
from app.models import AuditEvent
from app.server import Server
from app.settings import Settings, SettingsError
from tests.conftest import ISSUER, make_settings
from tests.support.collector import Collector, attributes_of, collector
from tests.support.factories import PASSWORD, TestClient, TestUser, add_client, add_user, log_in
from tests.support.on_sqlite import settings
from tests.support.started import app, clock, http, server

__all__ = ["app", "clock", "http", "server", "settings"]

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}

QUERY_SECRET = "lk_a_key_that_somebody_put_into_a_query"


@pytest.fixture(scope="module")
async def sent(settings: Settings) -> Collector:
    """What a collector was sent by an application until it was closed."""
    with collector() as running:
        configured = settings.model_copy(update={"otlp_endpoint": running.url})
        app = create_app(configured)
        async with app.router.lifespan_context(app):
            server = app.state.server
            user, client = await add_user(server, "traced"), await add_client(server, "traced-web")
            transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
            async with httpx2.AsyncClient(transport=transport, base_url=ISSUER) as http:
                await log_in(http, user, client)
                await http.get("/users/me", params={"key": QUERY_SECRET}, headers=TRACEPARENT)
                await http.get("/readyz")
                await http.get("/scopes/some-scope")
    return running


async def test_each_request_is_a_span_named_by_its_route(sent: Collector) -> None:
    assert {"POST /token", "GET /users/me", "GET /scopes/{name}"} <= {
        span.name for span in sent.spans
    }


async def test_a_span_says_how_it_ended(sent: Collector) -> None:
    (token, *_) = [span for span in sent.spans if span.name == "POST /token"]
    attributes = attributes_of(token)
    assert attributes["http.response.status_code"] == 200
    assert attributes["http.route"] == "/token"


async def test_a_span_belongs_to_the_trace_of_whoever_asked(sent: Collector) -> None:
    (me, *_) = [span for span in sent.spans if span.name == "GET /users/me"]
    assert me.trace_id.hex() == TRACE


@pytest.mark.rfc("6749", "10.3", 1)
@pytest.mark.rfc("9700", "4.9.3", 3)
async def test_nothing_that_is_sent_holds_a_body_a_credential_or_a_query(sent: Collector) -> None:
    everything = b"".join(body for _, body in sent.received)
    assert b"/users/me" in everything
    for secret in (PASSWORD, QUERY_SECRET, "Bearer", "Basic", "grant_type"):
        assert secret.encode() not in everything


async def test_probes_are_not_traced(sent: Collector) -> None:
    assert [span for span in sent.spans if "readyz" in span.name] == []


async def test_the_durations_of_requests_are_measured(sent: Collector) -> None:
    assert "http.server.request.duration" in sent.metrics


def test_a_collector_must_be_a_url() -> None:
    with pytest.raises(ValueError, match="LATCHKEY_OTLP_ENDPOINT must be the http or https URL"):
        make_settings(otlp_endpoint="collector:4318")


def test_without_the_extra_the_start_is_refused(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "opentelemetry.sdk.trace", None)
    configured = settings.model_copy(update={"otlp_endpoint": "http://127.0.0.1:4318"})
    with pytest.raises(SettingsError, match=r"pip install 'latchkey\[otlp\]'"):
        create_app(configured)


# Ids in the log and in the trail


def request_line(caplog: pytest.LogCaptureFixture) -> dict[str, object]:
    (line,) = [
        record.msg
        for record in caplog.records
        if record.name == "latchkey.access" and isinstance(record.msg, dict)
    ]
    return line


async def test_a_line_of_the_log_has_the_trace_of_whoever_asked(
    http: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await http.get("/healthz", headers=TRACEPARENT)
    assert request_line(caplog)["trace_id"] == TRACE


@pytest.mark.parametrize(
    "header",
    ["", "nonsense", f"00-{'0' * 32}-00f067aa0ba902b7-01", f"00-{TRACE}-00f067aa0ba902b7-01\t\n"],
)
async def test_what_is_no_trace_is_not_in_the_log(
    http: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture, header: str
) -> None:
    caplog.set_level(logging.INFO)
    await http.get("/healthz", headers={"traceparent": header} if header else {})
    assert "trace_id" not in request_line(caplog)


async def test_an_event_of_the_trail_has_the_id_of_its_request(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, web: TestClient
) -> None:
    response = await http.post(
        "/token",
        data={"grant_type": "password", "username": alice.username, "password": PASSWORD},
        auth=(web.client_id, web.secret),
    )
    async with server.database.read() as connection:
        query = select(AuditEvent.request_id).where(AuditEvent.type == "login.succeeded")
        found = (await connection.scalars(query)).all()
    assert found.count(response.headers["x-request-id"]) == 1


def test_the_application_without_a_collector_has_no_telemetry(app: FastAPI) -> None:
    assert app._native_telemetry.enabled() is False
