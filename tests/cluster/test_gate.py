"""After the first Ctrl-C only units that were begun are still scored."""

from raygrad.cluster.gate import Gate


def test_an_open_gate_lets_every_unit_begin():
    gate = Gate()
    assert gate.wanted(3)
    assert gate.begin(3)


def test_a_closed_gate_lets_begun_units_through_and_no_others():
    gate = Gate()
    gate.begin(1)
    gate.close()
    assert [gate.begin(1), gate.wanted(1)] == [True, True]
    assert [gate.begin(2), gate.wanted(2)] == [False, False]
