"""What backups add to the tables of the core's tests."""

COMMANDS_OTHERWISE = {
    "backup": "reads what was committed when it began",
    "restore": "replaces everything in one transaction",
}
