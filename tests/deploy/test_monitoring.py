"""The dashboard and the alert rules ask for what ``/metrics`` tells."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.telemetry.metrics import Metrics

DEPLOY = Path(__file__).parents[2] / "deploy"
ALERTS = DEPLOY / "prometheus" / "alerts.yaml"
DASHBOARD = DEPLOY / "grafana" / "latchkey.json"


def told() -> set[str]:
    """The names of every sample that there can be."""
    metrics = Metrics()
    metrics.request("GET", "/", 200, 0.1)
    metrics.login("token", "succeeded")
    metrics.tokens_issued("password", "shop")
    metrics.refresh_token_reused("shop")
    metrics.hashes_pending(0)
    metrics.housekeeping_done(1.0, {"logins": 1})
    families = text_string_to_metric_families(metrics.text().decode())
    return {sample.name for family in families for sample in family.samples}


def asked(text: str) -> set[str]:
    return set(re.findall(r"\blatchkey_[a-z_]+", text))


def expressions() -> Iterator[str]:
    """The queries of the dashboard, with its variables filled in."""
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel["targets"]:
            yield re.sub(r"\$__(rate_)?interval", "5m", target["expr"]).replace("$job", ".*")


def test_the_alert_rules_ask_for_metrics_that_exist() -> None:
    assert asked(ALERTS.read_text()) <= told()


def test_the_dashboard_shows_every_metric_that_exists() -> None:
    shown = {re.sub(r"_(bucket|count|sum)$", "", name) for name in asked("\n".join(expressions()))}
    assert shown == {re.sub(r"_(bucket|count|sum)$", "", name) for name in told()}


def test_the_panels_of_the_dashboard_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not taken & cells, panel["title"]
        taken |= cells


@pytest.fixture
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is missing: apt-get install prometheus")
    return found


def run(*command: str) -> None:
    finished = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_the_alert_rules_fire_when_they_should(promtool: str) -> None:
    run(promtool, "test", "rules", str(ALERTS.with_name("alerts.test.yaml")))


def test_promtool_finds_nothing_wrong_with_the_queries(promtool: str, tmp_path: Path) -> None:
    run(promtool, "check", "rules", str(ALERTS))
    rules = [
        {"record": f"dashboard:query{number}", "expr": expression}
        for number, expression in enumerate(expressions())
    ]
    file = tmp_path / "dashboard.json"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    run(promtool, "check", "rules", str(file))
