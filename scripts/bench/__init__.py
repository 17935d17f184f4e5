"""The benchmarks: ratios inside one run, since absolute rates say more about the machine.

``make bench`` runs all of them; ``make bench ARGS="--only bearer --seconds 5"`` some for longer.
``python -m scripts.bench.attacks`` tells what attacks cost, and
``python -m scripts.bench.failures`` what they learn.
"""
