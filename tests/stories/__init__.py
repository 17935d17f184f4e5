"""Each grant from its first request to its last, in one test: read these first."""
