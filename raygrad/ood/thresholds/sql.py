"""A threshold as SQL for DuckDB: the one way in which flags are computed, for files and views.

Scores are compared as float32 with thresholds that are printed so that they are read as the same
float32; features and probabilities are float64, printed with all their digits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from raygrad.ood.rows import literal, quoted
from raygrad.ood.thresholds.conformal import ALL_CLASSES, groups_of
from raygrad.ood.thresholds.file import Conformal, Feature, Logistic, Quantile, Threshold
from raygrad.table.definitions import OUT

IDENTITY = ("source", "row")


@dataclass(frozen=True)
class Applied:
    """A threshold with all that its SQL needs.

    Attributes:
        threshold: From its file.
        calibration: The file with calibration scores; conformal only.
        most: By class the largest 1 + c that is flagged; conformal only.
    """

    threshold: Threshold
    calibration: str | None = None
    most: Mapping[int, int] | None = None

    def flags(self, relation: str, keys: Sequence[str] = IDENTITY) -> str:
        """SQL that gives one row of flags for each row of scores.

        Args:
            relation: What stands after FROM.
            keys: Columns that are passed through.
        """
        match self.threshold:
            case Quantile():
                return _quantile(self.threshold, relation, keys)
            case Conformal():
                return self._conformal(relation, keys)
            case Logistic():
                return _logistic(self.threshold, relation, keys)

    def p_values(self, relation: str, keys: Sequence[str] = IDENTITY) -> str:
        """SQL for 1 + c, n + 1 and the class whose calibration rows are counted."""
        assert isinstance(self.threshold, Conformal)
        assert self.calibration is not None
        score, sign = quoted(self.threshold.score), "" if self._high_is_unusual() else "-"
        group, join = self._groups()
        return f"""SELECT {_listed("s", keys)}, s.score, s.class, s.n, s.most,
  CASE WHEN s.score IS NOT NULL THEN 1 + coalesce(c.at_least_as_unusual, 0) END AS p
FROM (
  SELECT {_listed("t", keys)}, t.{score} AS score,
    CASE WHEN isnan(t.{score}) THEN 'inf'::FLOAT ELSE {sign}t.{score} END AS unusual,
    {group}
  FROM {relation} AS t{join}
) AS s
ASOF LEFT JOIN read_parquet({literal(self.calibration)}) AS c
  ON s.class = c.class AND s.unusual <= c.unusual"""

    def _groups(self) -> tuple[str, str]:
        """The class, n + 1 and the largest 1 + c that is flagged; and the join that finds them."""
        assert isinstance(self.threshold, Conformal)
        most = self.most or {}
        rows = {
            number: (cut.rows + 1, most.get(number, 0))
            for number, cut in groups_of(self.threshold).items()
        }
        n, limit = rows.pop(ALL_CLASSES)
        if not rows:
            return f"{ALL_CLASSES} AS class, {n} AS n, {limit} AS most", ""
        others = {"class": ALL_CLASSES, "n": n, "most": limit}
        group = ", ".join(f"coalesce(g.{name}, {of}) AS {name}" for name, of in others.items())
        return group, _join(tuple(others), rows)

    def _conformal(self, relation: str, keys: Sequence[str]) -> str:
        return f"""SELECT {_listed("p", keys)}, p.score, p.p / p.n AS p_value,
  p.most / p.n AS threshold, p.p <= p.most AS is_ood
FROM ({self.p_values(relation, keys)}) AS p"""

    def _high_is_unusual(self) -> bool:
        assert isinstance(self.threshold, Conformal)
        return self.threshold.direction.high == OUT


def _quantile(fitted: Quantile, relation: str, keys: Sequence[str]) -> str:
    score, side = quoted(fitted.score), ">" if fitted.direction.high == OUT else "<"
    limit, join = _float(fitted.all_classes.threshold), ""
    if fitted.by_class:
        cuts = {number: (_float(cut.threshold),) for number, cut in fitted.by_class.items()}
        join = _join(("class", "cut"), cuts)
        limit = f"coalesce(g.cut, {limit})"
    return f"""SELECT {_listed("t", keys)}, t.{score} AS score, {limit} AS threshold,
  isnan(t.{score}) OR t.{score} {side} {limit} AS is_ood
FROM {relation} AS t{join}"""


def _logistic(fitted: Logistic, relation: str, keys: Sequence[str]) -> str:
    scores = [f"t.{quoted(feature.score)}" for feature in fitted.features]
    missing = " OR ".join(f"{score} IS NULL" for score in scores)
    undefined = " OR ".join(f"isnan({score})" for score in scores)
    # greatest() takes no notice of nulls, and least() takes NaN for larger than all: both go first.
    total = "\n    + ".join([_double(fitted.intercept), *map(_term, fitted.features)])
    return f"""SELECT {_listed("z", keys)}, z.probability,
  {_double(fitted.cut.threshold)} AS threshold,
  isnan(z.probability) OR z.probability > {_double(fitted.cut.threshold)} AS is_ood
FROM (SELECT {_listed("y", keys)},
  1 / (1 + exp(-(y.total * {_double(fitted.slope)} + {_double(fitted.offset)}))) AS probability
FROM (SELECT {_listed("t", keys)},
  CASE WHEN {missing} THEN NULL
  WHEN {undefined} THEN 'nan'::DOUBLE ELSE
    {total}
  END AS total
FROM {relation} AS t) AS y) AS z"""


def _term(feature: Feature) -> str:
    low, high = _double(feature.low), _double(feature.high)
    value = f"least(greatest(t.{quoted(feature.score)}::DOUBLE, {low}), {high})"
    value = f"ln({value})" if feature.log else value
    return (
        f"{_double(feature.coefficient)} * ({value} - {_double(feature.mean)}) "
        f"/ {_double(feature.scale)}"
    )


def _join(names: Sequence[str], rows: Mapping[int, Sequence[object]]) -> str:
    """A join with a small table of what belongs to each class."""
    lines = ", ".join(f"({', '.join(map(str, (key, *rest)))})" for key, rest in rows.items())
    return f"""
  LEFT JOIN (VALUES {lines}) AS g({", ".join(names)}) ON t.prediction = g.class"""


def _listed(alias: str, names: Sequence[str]) -> str:
    return ", ".join(f"{alias}.{quoted(name)}" for name in names)


def _float(value: float) -> str:
    return f"'{np.float32(value)}'::FLOAT"


def _double(value: float) -> str:
    return f"'{value!r}'::DOUBLE"
