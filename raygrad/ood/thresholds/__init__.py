"""Thresholds that say which rows are unusual: fitted on held-out rows, kept in a file, applied.

A threshold is a small JSON file (``file``). Three methods fit one: an order statistic
(``quantile``), conformal p-values (``conformal``), a meta-classifier (``logistic``). All are
applied as SQL (``sql``), whether raygrad runs it (``apply``) or a user's own DuckDB does.
"""
