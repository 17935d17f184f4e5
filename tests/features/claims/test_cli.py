"""``latchkey claims``, as an operator types it."""

from pathlib import Path

import pytest

from tests.features import beside
from tests.support.shell import Shell, assert_line


@pytest.fixture
def latchkey(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Shell:
    """The command line, with the user ada, the client app, and a claim."""
    monkeypatch.chdir(tmp_path)
    made = Shell(database_url)
    made.json("users", "create", "Ada")
    made.json("clients", "create", "App", "--client-id", "app", "--grant", "password")
    made.json("claims", "create", "level", "--type", "integer", "--scope", "profile")
    return made


def test_a_claim_is_listed_with_the_scope_that_brings_it(latchkey: Shell) -> None:
    (claim,) = latchkey.json("claims", "list")
    assert claim == {
        "name": "level",
        "type": "integer",
        "scope": "profile",
        "places": ["id_token", "userinfo"],
        "created_at": claim["created_at"],
    }


def test_a_value_is_json_or_else_a_text(latchkey: Shell) -> None:
    latchkey.json("claims", "create", "title", "--type", "string", "--scope", "profile")
    assert latchkey.json("claims", "set", "level", "3", "--user", "ada") == {
        "user": "ada",
        "claims": {"level": 3},
    }
    told = latchkey.json("claims", "set", "title", "Head of sales", "--client", "app")
    assert told == {"client": "app", "claims": {"title": "Head of sales"}}
    assert latchkey.json("claims", "unset", "level", "--user", "ada")["claims"] == {}
    assert latchkey.json("claims", "show", "--client", "app") == told


def test_a_value_is_of_one_holder(latchkey: Shell) -> None:
    both = ("--user", "ada", "--client", "app")
    for holders in ((), both):
        refused = latchkey("claims", "set", "level", "3", *holders)
        assert_line(refused, "name either --user or --client")


def test_a_claim_is_deleted(latchkey: Shell) -> None:
    assert latchkey.json("claims", "delete", "level") == {"name": "level", "deleted": True}
    assert latchkey.json("claims", "list") == []


@beside("transfer")
def test_claims_and_their_values_are_exported_and_imported(latchkey: Shell) -> None:
    latchkey.json("claims", "set", "level", "3", "--user", "ada")
    latchkey.json("claims", "set", "level", "1", "--client", "app")
    document = latchkey("export").stdout
    exported = latchkey.json("export")["claims"]
    assert exported == [
        {
            "name": "level",
            "type": "integer",
            "scope": "profile",
            "places": ["id_token", "userinfo"],
            "users": {"Ada": 3},
            "clients": {"app": 1},
        }
    ]
    latchkey.json("claims", "delete", "level")
    assert latchkey.json("import", "-", stdin=document)["claims"] == 1
    assert latchkey.json("export")["claims"] == exported


@beside("apply")
def test_a_file_declares_claims(latchkey: Shell) -> None:
    declared = (
        "claims: [{name: level, type: integer, scope: profile, users: {ADA: 5}}, "
        "{name: tenant, type: string, scope: profile, places: [access_token], clients: {app: t1}}]"
    )
    told = latchkey.json("apply", "-", stdin=declared)
    assert [(change["kind"], change["name"], change["change"]) for change in told] == [
        ("claim", "level", "changed"),
        ("claim", "tenant", "created"),
    ]
    assert latchkey.json("claims", "show", "--user", "ada")["claims"] == {"level": 5}
    assert latchkey.json("apply", "-", stdin=declared) == []
    other = "claims: [{name: level, type: string, scope: profile}]"
    refused = latchkey("apply", "-", stdin=other)
    assert_line(refused, "claims.0 'level': a claim cannot become another one: delete it first")


@beside("apply")
@pytest.mark.parametrize(
    ("claim", "reason"),
    [
        (
            "{name: since, type: json, scope: profile, users: {ada: 2026-01-01}}",
            "claims.0 'since': the value of a claim must be JSON",
        ),
        (
            "{name: since, type: json, scope: profile, users: {ada: {1: a}}}",
            "claims.0 'since': the value of a claim must be JSON",
        ),
        (
            "{name: groups, type: strings, scope: profile}",
            "claims.0 'groups': name: APIs decide by this claim what its bearer may do",
        ),
    ],
)
def test_a_file_declares_no_claim_that_the_api_refuses(
    latchkey: Shell, claim: str, reason: str
) -> None:
    assert_line(latchkey("apply", "-", stdin=f"claims: [{claim}]"), reason)
