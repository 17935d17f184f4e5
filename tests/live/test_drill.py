"""The short version of ``python -m scripts.drill``: what a deployment goes through, under load."""

import asyncio
import os
from pathlib import Path

import pytest

from scripts.drill.__main__ import RENEWALS, Report, drill
from scripts.drill.deployment import NGINX

pytestmark = [
    pytest.mark.skipif(NGINX is None, reason="the drill needs nginx (apt-get install nginx-light)"),
    pytest.mark.skipif(
        "DRILL" not in os.environ, reason="the drill takes two minutes: DRILL=1 make test"
    ),
]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    folder: Path = tmp_path_factory.mktemp("drill")
    return asyncio.run(drill(folder, pause=0.5, clients=1, renewals=RENEWALS[:1]))


def test_clients_of_every_kind_were_at_work(report: Report) -> None:
    assert set(report.ledger.answers) == {
        *("login", "refresh", "revoke", "use after revocation"),
        *("introspection", "write", "keys", "use"),
    }


def test_nothing_that_was_acknowledged_is_lost_and_nothing_revoked_is_accepted(
    report: Report,
) -> None:
    assert report.ledger.broken == []


def test_requests_fail_only_where_what_they_need_is_not_there(report: Report) -> None:
    assert report.unexcused == []


def test_a_rolling_restart_behind_nginx_fails_no_request(report: Report) -> None:
    assert report.restarted_at > 0
    assert [each for each in report.ledger.failures if each.ended > report.restarted_at] == []


def test_every_instance_that_was_asked_to_end_has_ended_well(report: Report) -> None:
    assert report.exit_codes == [0, 0, 0, 0]
