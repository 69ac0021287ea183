"""Speed, memory and error of per-sample gradient metrics beside a training step and other packages.

``python -m benchmarks --help`` tells the options; ``make bench`` runs everything.
"""
