"""The pipeline benchmark's model and rows in other batch systems, as their users write it.

All of them give the maximum softmax probability, which takes a forward only, and the time at which
each batch was begun; one process with one torch thread holds the model.
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

FEATURES, BATCH = 64, 64


class Scorer:
    """The model of a benchmark's folder."""

    def __init__(self, root: str) -> None:
        import torch

        sys.path.insert(0, root)
        import nets  # type: ignore[import-not-found]

        torch.set_num_threads(1)
        self.model = nets.busy()

    def scores(self, rows: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], ...]:
        """The scores of rows of shape (N, 64), and when they were begun."""
        import torch

        began = np.full(len(rows), time.time())
        with torch.no_grad():
            logits = self.model(torch.from_numpy(np.ascontiguousarray(rows)))
        return logits.softmax(1).amax(1).numpy(), began


def _rates(out: Path, seconds: float) -> dict[str, Any]:
    times = np.sort(pq.read_table(out, columns=["at"])["at"].to_numpy())
    rate = (len(times) - BATCH) / (times[-1] - times[0])
    return {"rows": len(times), "seconds": seconds, "rate": rate}


def bare_forward(root: Path) -> dict[str, Any]:
    """The same in a loop over rows in memory."""
    scorer = Scorer(str(root))
    column = pq.read_table(root / "in", columns=["x"])["x"].combine_chunks()
    rows = column.flatten().to_numpy().reshape(-1, FEATURES)
    batches = [rows[first : first + BATCH] for first in range(0, len(rows), BATCH)]
    scorer.scores(batches[0])
    started = time.perf_counter()
    for batch in batches[1:]:
        scorer.scores(batch)
    seconds = time.perf_counter() - started
    return {"rows": len(rows), "seconds": seconds, "rate": (len(rows) - BATCH) / seconds}


def ray_data(root: Path) -> dict[str, Any]:
    """Ray Data: ``map_batches`` on one actor, and ``write_parquet``."""
    import ray
    import ray.data

    class Actor(Scorer):
        def __call__(self, batch: dict[str, np.ndarray[Any, Any]]) -> dict[str, Any]:
            return dict(zip(("msp", "at"), self.scores(np.stack(batch["x"])), strict=True))

    ray.init(runtime_env={"env_vars": {"PYTHONPATH": os.getcwd()}}, include_dashboard=False)
    started = time.perf_counter()
    rows = ray.data.read_parquet(str(root / "in"))
    scored = rows.map_batches(
        Actor, fn_constructor_args=(str(root),), batch_size=BATCH, concurrency=1
    )
    scored.write_parquet(str(root / "ray_data"))
    return _rates(root / "ray_data", time.perf_counter() - started)


def daft(root: Path) -> dict[str, Any]:
    """Daft: a class with a batch method, in a process of its own."""
    import daft as df

    both = df.DataType.struct({"msp": df.DataType.float32(), "at": df.DataType.float64()})

    @df.cls(max_concurrency=1, use_process=True)
    class Class(Scorer):
        @df.method.batch(return_dtype=both, batch_size=BATCH)
        def score(self, x: df.Series) -> Any:
            rows = x.to_arrow().flatten().to_numpy(zero_copy_only=False).reshape(-1, FEATURES)
            pairs = zip(*self.scores(rows), strict=True)
            return [{"msp": msp, "at": at} for msp, at in pairs]

    started = time.perf_counter()
    rows = df.read_parquet(str(root / "in" / "*.parquet"))
    scored = rows.select(Class(str(root)).score(rows["x"]).alias("both"))
    scored = scored.select(scored["both"]["msp"].alias("msp"), scored["both"]["at"].alias("at"))
    scored.write_parquet(str(root / "daft"))
    return _rates(root / "daft", time.perf_counter() - started)


def spark(root: Path) -> dict[str, Any]:
    """Spark: ``predict_batch_udf`` on one local core."""
    from pyspark.ml.functions import predict_batch_udf
    from pyspark.sql import SparkSession
    from pyspark.sql.types import DoubleType, FloatType, StructField, StructType

    def load() -> Callable[..., Any]:
        scorer = Scorer(str(root))
        return lambda x: dict(zip(("msp", "at"), scorer.scores(x), strict=True))

    os.environ["PYSPARK_PYTHON"] = sys.executable
    session = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    context = session.config("spark.driver.host", "127.0.0.1").getOrCreate()
    both = StructType([StructField("msp", FloatType()), StructField("at", DoubleType())])
    predict = predict_batch_udf(
        load, return_type=both, batch_size=BATCH, input_tensor_shapes=[[FEATURES]]
    )
    started = time.perf_counter()
    rows = context.read.parquet(str(root / "in"))
    scored = rows.select(predict("x").alias("both")).select("both.*")
    scored.write.parquet(str(root / "spark"))
    seconds = time.perf_counter() - started
    context.stop()
    return _rates(root / "spark", seconds)
