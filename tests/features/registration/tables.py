"""What registration adds to the tables of the core's tests."""

COMMANDS_OTHERWISE = {
    "invitations create": "depends on nothing that is there",
    "invitations list": "reads",
    "invitations revoke": "ends what is open: tests/features/registration/test_invitations.py",
}

SECRET_TABLES = {"invitations": "hashes"}
