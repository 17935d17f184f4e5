"""The files for containers, Kubernetes, systemd and proxies name what there is."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from app.__main__ import cli
from app.database.schema import ROOT
from app.settings import IN_A_FILE, PREFIX, SECRETS, Settings
from scripts.dockerfile import instructions, words
from scripts.empty_debian import script

DEPLOY = ROOT / "deploy"
MANIFESTS = sorted((DEPLOY / "kubernetes").rglob("*.yaml"))
FILES = [
    ROOT / "Dockerfile",
    ROOT / "compose.yaml",
    *(path for path in sorted(DEPLOY.rglob("*")) if path.is_file()),
]

OF_THE_FILES_THEMSELVES = {"LATCHKEY_DOMAIN", "LATCHKEY_UPSTREAM"}
"""What the proxy and compose.yaml read, and the server does not."""


def test_every_setting_in_them_is_one() -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    known |= {PREFIX + name.upper() + IN_A_FILE for name in SECRETS}
    named = {name for file in FILES for name in re.findall(r"LATCHKEY_[A-Z_]+", file.read_text())}
    assert named - known == OF_THE_FILES_THEMSELVES


def commands() -> Iterator[list[str]]:
    """How the files call the command, without its name."""
    dockerfile = dict(instructions((ROOT / "Dockerfile").read_text()))
    assert words(dockerfile["ENTRYPOINT"]) == ["latchkey"]
    yield words(dockerfile["CMD"])
    for service in yaml.safe_load((ROOT / "compose.yaml").read_text())["services"].values():
        if service.get("image") == "latchkey":
            yield service["command"]
    for manifest in MANIFESTS:
        yield from arguments_of(yaml.safe_load(manifest.read_text()))
    for unit in (DEPLOY / "systemd").glob("*.service"):
        for line in re.findall(r"/opt/latchkey/bin/latchkey ([^$'\n]+)", unit.read_text()):
            yield line.split()


def arguments_of(value: Any) -> Iterator[list[str]]:
    """The arguments of every container."""
    if isinstance(value, dict):
        if isinstance(value.get("args"), list):
            yield value["args"]
        for each in value.values():
            yield from arguments_of(each)
    elif isinstance(value, list):
        for each in value:
            yield from arguments_of(each)


@pytest.mark.parametrize("arguments", list(commands()), ids=" ".join)
def test_every_command_in_them_has_those_options(arguments: list[str]) -> None:
    result = CliRunner().invoke(cli, [*arguments, "--help"])
    assert result.exit_code == 0, result.output


def test_an_overlay_names_every_manifest() -> None:
    for folder in ("base", "production"):
        path = DEPLOY / "kubernetes" / folder
        listed = yaml.safe_load((path / "kustomization.yaml").read_text())["resources"]
        files = {file.name for file in path.glob("*.yaml")} - {"kustomization.yaml"}
        assert {name for name in listed if name.endswith(".yaml")} == files


def test_the_containers_run_as_nobody_in_particular_and_write_nothing() -> None:
    dockerfile = dict(instructions((ROOT / "Dockerfile").read_text()))
    assert dockerfile["USER"] == "10001:10001"
    for name in ("deployment", "migration"):
        manifest = yaml.safe_load((DEPLOY / f"kubernetes/base/{name}.yaml").read_text())
        pod = manifest["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsUser"] == 10001
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_no_command_of_the_running_image_needs_a_shell() -> None:
    dockerfile = dict(instructions((ROOT / "Dockerfile").read_text()))
    health = dockerfile["HEALTHCHECK"].partition("CMD ")[2]
    exec_forms = [dockerfile["ENTRYPOINT"], dockerfile["CMD"], health]
    assert [form for form in exec_forms if not form.startswith("[")] == []


@pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not installed")
def test_nginx_takes_its_configuration(tmp_path: Path) -> None:
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    make += ["-nodes", "-subj", "/CN=login.example.com", "-keyout", "privkey.pem"]
    subprocess.run([*make, "-out", "fullchain.pem"], cwd=tmp_path, check=True, capture_output=True)
    text = (DEPLOY / "nginx/latchkey.conf").read_text()
    text = text.replace("/etc/ssl/latchkey", str(tmp_path)).replace("/var/log/nginx", str(tmp_path))
    (tmp_path / "latchkey.conf").write_text(text)
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid; events {{}} http {{ include {tmp_path}/latchkey.conf; }}"
    )
    tested = subprocess.run(
        ["nginx", "-t", "-e", "stderr", "-c", str(tmp_path / "nginx.conf")],
        check=False,
        capture_output=True,
        text=True,
    )
    assert tested.returncode == 0, tested.stderr


def test_the_production_section_is_a_script_that_names_files_that_are_there() -> None:
    """What it does is tried by scripts/empty_debian.py, which takes minutes."""
    commands = script()
    read = subprocess.run(["sh", "-n"], input=commands, text=True, capture_output=True, check=False)
    assert (read.returncode, read.stderr) == (0, "")
    named = set(re.findall(r"deploy/[\w./-]+", commands))
    assert named
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []
