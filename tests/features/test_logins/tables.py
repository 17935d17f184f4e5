"""What the test logins add to the tables of the core's tests."""

WRITES_OTHERWISE = {
    "POST /docs/test-logins/token": "writes nothing: it signs what nobody may accept",
    "POST /docs/test-logins/throttled": "counts failures of a name that it makes up",
}

OPEN = {r"POST /docs/test-logins/throttled": "about a name that it makes up"}
