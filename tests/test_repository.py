"""What a forge reads of the repository calls the project's own commands."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.database.schema import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def targets() -> set[str]:
    """The commands of the Makefile that `make` lists."""
    return set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))


def steps(workflow: Path) -> list[dict[str, Any]]:
    jobs = yaml.safe_load(workflow.read_text())["jobs"].values()
    return [step for job in jobs for step in job["steps"]]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_builds_and_tests_by_targets_of_make_alone(workflow: Path) -> None:
    commands = [step["run"] for step in steps(workflow) if "run" in step]
    called = [command.split()[1] for command in commands if command.startswith("make ")]
    assert called
    assert set(called) <= targets()
    others = [command for command in commands if not command.startswith("make ")]
    assert [each for each in others if not each.startswith(("sudo apt-get", "gh release"))] == []


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_only_read_unless_a_job_says_more(workflow: Path) -> None:
    assert yaml.safe_load(workflow.read_text())["permissions"] == {"contents": "read"}


def test_every_form_of_an_issue_says_what_it_asks_for() -> None:
    forms = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("[!c]*.yml"))
    assert [form.stem for form in forms] == ["bug", "idea"]
    for form in forms:
        fields = yaml.safe_load(form.read_text())["body"]
        assert all(
            field["attributes"].get("label") or field["type"] == "markdown" for field in fields
        )
        ids = [field["id"] for field in fields if "id" in field]
        assert len(ids) == len(set(ids))


def test_every_hook_before_a_commit_is_a_program_of_the_lock_file() -> None:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    programs = {hook["entry"].split()[0] for hook in repository["hooks"]}
    assert all(program.startswith(".venv/bin/") for program in programs)


def test_every_lock_file_is_written_by_make_lock() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for lock in ROOT.glob("requirements*.lock"):
        assert f"-o {lock.name}\n" in makefile
        assert "--hash=sha256:" in lock.read_text()


def test_the_lock_files_agree_on_what_several_of_them_have() -> None:
    """They are installed into one environment, one after the other."""
    pinned: dict[str, dict[str, set[str]]] = {}
    for lock in ROOT.glob("requirements*.lock"):
        for name, version in re.findall(r"^([\w.-]+)\S*==(\S+)", lock.read_text(), re.MULTILINE):
            pinned.setdefault(name, {}).setdefault(lock.name, set()).add(version)
    assert len(pinned) > 100
    differing = {
        name: locks
        for name, locks in pinned.items()
        if any(versions != next(iter(locks.values())) for versions in locks.values())
    }
    assert differing == {}


@pytest.mark.parametrize(("taken", "code"), [(94, 1), (95, 0)])
def test_too_few_branches_fail_the_coverage(tmp_path: Path, taken: int, code: int) -> None:
    totals = {"covered_branches": taken, "num_branches": 100}
    (tmp_path / "coverage.json").write_text(json.dumps({"totals": totals}))
    told = subprocess.run(
        [sys.executable, ROOT / "scripts/branch_coverage.py"],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )
    assert (told.returncode, told.stdout) == (
        code,
        f"Branches: {taken}.00 % of 100, 95 % needed\n",
    )
