"""A dry run's findings: accuracy, counts, a rate and real scores."""

import pyarrow as pa
import pytest

from raygrad.validate import prepare, report

TWO_SOURCES = [
    {"path": "data/a.parquet", "constants": {"dataset": "a"}},
    {"path": "data/b.parquet", "constants": {"dataset": "b"}},
]


def dry_run(path: str, rows: int = 100):
    return report(prepare(path), rows)


def truth(job_folder, rows: int) -> list[int]:
    return job_folder.columns(rows)["label"].to_pylist()


def predictions(job_folder) -> list[int]:
    return dry_run(job_folder.spec()).scores["prediction"].to_pylist()


def test_accuracy_is_the_share_of_right_predictions(job_folder):
    right = predictions(job_folder)
    labels = [*right[:7], *[(value + 1) % 3 for value in right[7:]]]
    job_folder.write("data/a.parquet", label=pa.array(labels))
    (source,) = dry_run(job_folder.spec()).sources
    assert source.accuracy == pytest.approx(0.7)


def test_rows_without_label_or_prediction_do_not_count(job_folder):
    right = predictions(job_folder)
    labels = [None, None, *right[2:8], (right[8] + 1) % 3, (right[9] + 1) % 3]
    values = job_folder.columns(10)["x"].to_pylist()
    values[9] = None
    job_folder.write(
        "data/a.parquet",
        label=pa.array(labels, pa.int64()),
        x=pa.array(values, pa.list_(pa.float32())),
    )
    assert dry_run(job_folder.spec()).sources[0].accuracy == pytest.approx(6 / 7)


def test_without_labels_there_is_no_accuracy(job_folder):
    assert dry_run(job_folder.spec(drop=("label",))).sources[0].accuracy is None
    job_folder.write("data/a.parquet", label=pa.array([None] * 10, pa.int64()))
    assert dry_run(job_folder.spec()).sources[0].accuracy is None


def test_the_label_need_not_be_kept(job_folder):
    found = dry_run(job_folder.spec({"keep": []}))
    assert found.sources[0].accuracy is not None
    assert "label" not in found.scores.schema.names


def test_each_source_is_reported(job_folder):
    job_folder.write("data/b.parquet", rows=4)
    found = dry_run(job_folder.spec({"sources": TWO_SOURCES}))
    assert [(s.partition, s.files, s.rows) for s in found.sources] == [
        ("dataset=a", 1, 10),
        ("dataset=b", 1, 4),
    ]
    assert len(found.scores) == 14


def test_sources_without_constants_are_counted_apart(job_folder):
    job_folder.write("data/b.parquet", rows=4)
    sources = [{"path": "data/a.parquet"}, {"path": "data/b.parquet"}]
    found = dry_run(job_folder.spec({"sources": sources}))
    assert [source.rows for source in found.sources] == [10, 4]


@pytest.mark.parametrize(("rows", "tried"), [(1, 2), (3, 6), (7, 11), (100, 14)])
def test_so_many_rows_of_each_source_are_tried(job_folder, rows, tried):
    job_folder.write("data/b.parquet", rows=4)
    found = dry_run(job_folder.spec({"sources": TWO_SOURCES}), rows)
    assert len(found.scores) == tried
    assert [source.rows for source in found.sources] == [10, 4]


def test_the_model_is_counted_and_the_rate_is_measured(job_folder):
    found = dry_run(job_folder.spec())
    assert found.parameters == 9
    assert found.rate > 0


def test_scores_have_the_columns_of_the_table(job_folder):
    assert dry_run(job_folder.spec()).scores.schema.names == [
        *("source", "row", "label", "prediction", "msp", "max_logit", "energy", "entropy"),
        *("margin", "gen"),
        *("all_max", "all_l1", "fc_l2", "error_stage", "error_type", "error_message"),
    ]


def test_an_error_row_is_shown_among_the_scores(job_folder):
    values = job_folder.columns(10)["x"].to_pylist()
    values[3] = [1.0]
    job_folder.write("data/a.parquet", x=pa.array(values, pa.list_(pa.float32())))
    found = dry_run(job_folder.spec())
    assert found.scores["error_type"].to_pylist() == [*[None] * 3, "ShapeError", *[None] * 6]


def test_a_dry_run_writes_no_table(job_folder):
    dry_run(job_folder.spec())
    assert not (job_folder.root / "table").exists()
