"""The threshold file: JSON that people read, that says all that applying it needs."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from raygrad import storage
from raygrad.errors import TableError

VERSION = 1


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Origin(_Part):
    """Rows that a threshold was fitted on.

    Attributes:
        table: Where they are.
        where: The condition that picked them.
        rows: How many there are.
        failed: Those of them that have an error and no scores; they are left out.
        flagged: Which share of those with scores the threshold flags, of rows given as unusual.
    """

    table: str
    where: str | None = None
    rows: int
    failed: int
    flagged: float | None = None


class Cut(_Part):
    """The order statistic of one group of rows.

    Attributes:
        threshold: The value; rows beyond it are flagged. A float32 of a score, printed exactly.
        rows: How many in-distribution rows it is from, n.
        rank: Its place among them, ceil((n + 1) keep), the least unusual row being the first.
        ties: Other rows of exactly this score; they are kept as well.
        non_finite: NaNs and infinities. NaN counts as the most unusual value, here and in apply.
        kept_share: Interval, 95 %, for the share of new in-distribution rows that is kept.
    """

    threshold: float
    rows: int
    rank: int
    ties: int
    non_finite: int
    kept_share: tuple[float, float]


class Auroc(_Part):
    """Area under the ROC curve, and its 95 % interval."""

    value: float
    interval: tuple[float, float]


class Direction(_Part):
    """Which end of the score is unusual, and who says so.

    Attributes:
        high: What high values mean, ``in-distribution`` or ``out-of-distribution``.
        known_from: ``table``, or fitted on ``ood`` rows or on ``errors``, wrong predictions.
        auroc: How well the score tells given rows apart, this way round.
    """

    high: Literal["in-distribution", "out-of-distribution"]
    known_from: Literal["table", "ood", "errors"]
    auroc: Auroc | None = None


class _Threshold(_Part):
    raygrad_threshold: Literal[1] = 1
    meaning: str
    keep: float
    in_distribution: Origin
    ood: tuple[Origin, ...] = ()


class _OfOneScore(_Threshold):
    """One score against one value, or one value for each predicted class.

    Attributes:
        all_classes: Of all rows; the only one, or that of classes which have none of their own.
        by_class: By predicted class; None if the threshold is global.
        too_few: Classes with too few rows for a cut of their own, and how many they have.
    """

    score: str
    definition: str
    direction: Direction
    all_classes: Cut
    by_class: dict[int, Cut] | None = None
    too_few: dict[int, int] = {}
    identity: dict[str, Any]


class Quantile(_OfOneScore):
    """Rows beyond the cut are flagged."""

    method: Literal["quantile"] = "quantile"


class Calibration(_Part):
    """Where the scores are that p-values count: a Parquet file beside the threshold file."""

    file: str
    sha256: str


class Conformal(_OfOneScore):
    """The same cuts, and a p-value for each row (Bates et al. 2023, equation 3)."""

    method: Literal["conformal"] = "conformal"
    calibration: Calibration


class Feature(_Part):
    """A score on its way into the meta-classifier: clipped, perhaps its logarithm, standardised.

    Attributes:
        score: The column.
        low: Smaller values count as this, the smallest in the fit (of logarithms: above 0).
        high: Larger values, infinity included, count as this, the largest in the fit.
        log: Whether the natural logarithm is taken, as of sizes of gradients.
        mean: Is subtracted.
        scale: Divides.
        coefficient: Multiplies, and the products of all features are added to the intercept.
    """

    score: str
    low: float
    high: float
    log: bool
    mean: float
    scale: float
    coefficient: float


class CrossValidation(_Part):
    """How the meta-classifier does on rows that it wasn't fitted on.

    Attributes:
        folds: How many.
        rows: On which rows, of each kind: those to keep, those to flag.
        auroc: Mean over the folds; the interval from their DeLong variances.
        brier: Mean squared error of the calibrated probabilities of the held-out rows.
        calibration_error: Expected calibration error of the same, over ten bins of equal counts.
    """

    folds: int
    rows: tuple[int, int]
    auroc: Auroc
    brier: float
    calibration_error: float


class Logistic(_Threshold):
    """A probability from many scores (Oberdiek et al. 2018, section 2).

    Attributes:
        predicts: What the probability is of.
        prior: Share of rows to flag among those of the fit; probabilities hold for this mixture.
        features: The scores.
        intercept: Of the sum of all features.
        slope: Platt's calibration, fitted on the folds' own predictions: the sum is multiplied,
        offset: and this added, before the logistic function.
        cut: Of the probability, from held-out rows to keep.
        validation: See there.
        non_finite: Rows of the fit that were left out for a NaN or an infinity.
    """

    method: Literal["logistic"] = "logistic"
    predicts: Literal["out-of-distribution", "error"]
    prior: float
    features: tuple[Feature, ...]
    intercept: float
    slope: float
    offset: float
    cut: Cut
    validation: CrossValidation
    non_finite: int
    identity: dict[str, Any]


Threshold = Quantile | Conformal | Logistic
_ANY: TypeAdapter[Threshold] = TypeAdapter(Annotated[Threshold, Field(discriminator="method")])


def to_json(threshold: Threshold) -> str:
    """The file's text; numbers are printed so that reading gives the same ones."""
    found = threshold.model_dump(mode="json", exclude_none=True)
    first = {name: found.pop(name) for name in ("raygrad_threshold", "method")}
    return json.dumps({**first, **found}, indent=2) + "\n"


def write(threshold: Threshold, uri: str) -> None:
    """Creates a threshold file.

    Raises:
        TableError: If the name is taken.
    """
    refuse_taken(uri)
    publish(uri, to_json(threshold).encode())


def refuse_taken(uri: str) -> None:
    """Refuses a name that a file has already, since others may rely on that file."""
    if storage.taken(uri):
        raise TableError(f"{uri} is there already; remove it, or choose another --output")


def publish(uri: str, content: bytes) -> None:
    """Creates a file in the folder that is there, whole or not at all."""
    folder = storage.absolute(uri).rpartition("/")[0]
    if not storage.publish(storage.absolute(uri), content, folder):
        raise TableError(f"{uri} is there already; remove it, or choose another --output")


def read(uri: str) -> Threshold:
    """Reads a threshold file.

    Raises:
        TableError: If there is none, or it isn't one, or of a version that isn't known.
    """
    try:
        return _ANY.validate_json(storage.read_bytes(uri))
    except FileNotFoundError as error:
        raise TableError(f"{uri}: there is no such threshold file") from error
    except ValidationError as error:
        first: Mapping[str, Any] = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "file"
        more = f", and {error.error_count() - 1} faults more" if error.error_count() > 1 else ""
        raise TableError(
            f"{uri} is no threshold file of version {VERSION}: {place}: {first['msg']}{more}; "
            "write one with raygrad threshold fit"
        ) from error
