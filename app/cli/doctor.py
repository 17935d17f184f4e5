"""``latchkey doctor``: what this deployment leaves open, and how to fix it."""

import json as to_json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

import typer

from app.cli.command import REFUSED, Json, run
from app.operations.doctor import Finding, Severity, diagnose

cli = typer.Typer()


@cli.command("doctor")
def examine(json: Json = False) -> None:
    """Report security weaknesses in the settings and data, why they matter, and how to fix them.

    Exit code 1 if anything is unsafe for production.
    """
    findings = run(diagnose)
    count = Counter(finding.severity for finding in findings)
    if json:
        counts = {str(severity): count[severity] for severity in Severity}
        print(to_json.dumps(counts | {"findings": [asdict(finding) for finding in findings]}))
    else:
        _print(findings)
        print(", ".join(f"{count[severity]} {severity}" for severity in Severity))
    if count[Severity.UNSAFE]:
        raise typer.Exit(REFUSED)


def _print(findings: Sequence[Finding]) -> None:
    for finding in findings:
        found = finding.found[0].upper() + finding.found[1:]
        print(f"{finding.severity.upper()}  {found}.")
        print(f"    why  {finding.why}")
        print(f"    how  {finding.fix}\n")
