"""How often a race is run: seldom by the suite, which has to end, and as often as one likes.

RACE_ROUNDS=100 make test ARGS="-k race"
"""

import os


def rounds_of_race(in_the_suite: int) -> int:
    """``in_the_suite``, unless ``RACE_ROUNDS`` says how often."""
    return int(os.environ.get("RACE_ROUNDS", in_the_suite))
