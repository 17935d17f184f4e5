"""What this deployment leaves open, why that matters, and how to fix it."""

from collections.abc import Sequence

from app.operations.doctor.files import examine_files
from app.operations.doctor.records import examine_records
from app.operations.doctor.settings import examine_settings
from app.posture import Finding, Severity
from app.server import Server

__all__ = ["Finding", "Severity", "diagnose"]


async def diagnose(server: Server) -> Sequence[Finding]:
    """Everything that was found, what is unsafe first."""
    found = [*examine_settings(server.settings), *examine_files(server.settings)]
    found += [finding async for finding in examine_records(server)]
    order = list(Severity)
    return sorted(found, key=lambda finding: order.index(finding.severity))
