"""The pictures of a laboratory run, from data alone."""

from pykeepalived.lab.picture import Gap, Moment, Reply, answer_bar, longest_gap, state_table, timeline

MS = 1_000_000


def test_longest_gap_spans_the_silence_between_two_nodes() -> None:
    replies = [Reply(at * MS, "192.0.2.100", node) for at, node in [(0, "a"), (10, "a"), (3500, "b"), (3510, "b")]]
    assert longest_gap(replies, "192.0.2.100") == Gap("192.0.2.100", 3490 * MS, 10 * MS, "a", "b")


def test_gap_needs_two_replies_of_that_address() -> None:
    assert longest_gap([Reply(0, "192.0.2.100", "a"), Reply(1, "192.0.2.101", "a")], "192.0.2.100") is None


def test_state_table_has_a_row_per_node_and_marks_what_a_node_does_not_run() -> None:
    table = state_table({"node1": {"VI_1": "MASTER"}, "node2": {"VI_1": "BACKUP", "VI_2": "MASTER"}})
    assert table.splitlines() == [
        "  node    VI_1     VI_2",
        "  node1   MASTER   -",
        "  node2   BACKUP   MASTER",
    ]


def test_timeline_is_sorted_and_counts_from_the_start() -> None:
    text = timeline([Moment(2500 * MS, "node2", "second"), Moment(1000 * MS, "n1", "first")], 1000 * MS)
    assert text.splitlines() == ["     0.000 s  n1     first", "     1.500 s  node2  second"]


def test_answer_bar_shows_who_answered_and_when_nobody_did() -> None:
    replies = [Reply(0, "192.0.2.100", "n1"), Reply(7 * MS, "192.0.2.100", "n2")]
    bar = answer_bar(replies, "192.0.2.100", 0, 10 * MS, width=10)
    assert bar == "  192.0.2.100  [A......B..]  A = n1  B = n2  . = silence"
