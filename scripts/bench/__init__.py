"""The benchmarks: ratios inside one run, since absolute rates say more about the machine.

``make bench`` runs all of them; ``make bench ARGS="--only bearer --seconds 5"`` some for longer.
"""
