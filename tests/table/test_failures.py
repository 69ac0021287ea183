"""Failed rows, counted by stage and type."""

from raygrad.table.failures import failures


def test_failures_are_counted_with_an_example(small_table):
    small_table.publish(0, small_table.rows(0, failed=(1, 2)))
    small_table.publish(1, small_table.rows(1, failed=(0,)))
    (failure,) = failures(small_table.root)
    assert (failure.stage, failure.kind, failure.rows) == ("decode", "DecodeError", 3)
    assert failure.example == f"{small_table.units[0].segments[0].uri}, row 1: no image"


def test_a_table_without_failures_has_none(small_table):
    small_table.publish(1, small_table.rows(1))
    assert failures(small_table.root) == []
