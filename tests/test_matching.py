"""What counts as matched, missed, a wrong word and a false accept."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from speech_lstm.config import SILENCE, UNKNOWN
from speech_lstm.streams.matching import LATE_SECONDS, WORD_SECONDS, match
from speech_lstm.streams.truth import Event

COMMANDS = ("yes", "no", "stop")


class Report(NamedTuple):
    label: str
    time: float


def outcomes(events: list[Event], *reports: tuple[str, float]) -> tuple[list[str], list[str | None]]:
    """The outcome of each spoken command, and the word that each false accept lies on."""
    matching = match(events, [Report(*report) for report in reports], COMMANDS)
    places = [accept.event.word if accept.event else None for accept in matching.false_accepts]
    return [answer.outcome for answer in matching.answers], places


YES, NO = Event("yes", 1.0, 1.5), Event("no", 4.0, 4.4)
DOG = Event("dog", 7.0, 7.4)


@pytest.mark.parametrize(
    ("reports", "expected", "places"),
    [
        ([], ["missed", "missed"], []),
        ([("yes", 1.7), ("no", 4.6)], ["matched", "matched"], []),
        ([("yes", 1.0), ("no", 4.4 + LATE_SECONDS)], ["matched", "matched"], []),
        ([("yes", 0.99), ("no", 4.41 + LATE_SECONDS)], ["missed", "missed"], [None, None]),
        ([("yes", 1.6), ("yes", 2.0)], ["matched", "missed"], ["yes"]),  # twice for one word
        ([("stop", 1.6)], ["wrong", "missed"], []),
        ([("stop", 1.6), ("yes", 1.9)], ["matched", "missed"], ["yes"]),  # the right one counts, the other is false
        ([("stop", 1.6), ("no", 1.9)], ["wrong", "missed"], ["yes"]),
        ([("stop", 7.5), ("stop", 10.0)], ["missed", "missed"], ["dog", None]),
    ],
)
def test_each_is_counted_once(
    reports: list[tuple[str, float]], expected: list[str], places: list[str | None]
) -> None:
    assert outcomes([YES, NO, DOG], *reports) == (expected, places)


def test_a_report_between_two_words_lies_on_the_one_that_ended_nearest() -> None:
    close = [DOG, Event("yes", 7.5, 7.9)]
    assert outcomes(close, ("no", 7.55)) == (["missed"], ["dog"])
    assert outcomes(close, ("no", 7.8)) == (["wrong"], [])
    assert outcomes(close, ("yes", 7.55)) == (["matched"], [])


def test_the_same_word_twice_takes_two_reports() -> None:
    twice = [Event("yes", 1.0, 1.4), Event("yes", 1.5, 1.9)]
    assert outcomes(twice, ("yes", 1.6), ("yes", 2.0)) == (["matched", "matched"], [])
    assert outcomes(twice, ("yes", 2.0)) == (["matched", "missed"], [])


def test_the_word_that_can_wait_least_is_answered_first() -> None:
    long = [Event("yes", 1.0, 5.0), Event("yes", 1.2, 1.5)]
    assert outcomes(long, ("yes", 1.6), ("yes", 4.0)) == (["matched", "matched"], [])


def test_a_word_of_unknown_end_may_last_as_long_as_a_window() -> None:
    open_ended = [Event("yes", 1.0)]
    assert outcomes(open_ended, ("yes", 1.0 + WORD_SECONDS + LATE_SECONDS)) == (["matched"], [])
    matching = match(open_ended, [Report("yes", 1.5)], COMMANDS)
    assert matching.answers[0].latency is None
    assert match([YES], [Report("yes", 1.75)], COMMANDS).answers[0].latency == pytest.approx(0.25)


def test_silence_explains_only_what_lies_in_it() -> None:
    still = [YES, Event(SILENCE, 2.0, 9.0), Event(UNKNOWN, 10.0, 15.0)]
    reports = [("yes", 1.6), ("no", 2.1), ("no", 8.9), ("no", 9.5), ("no", 12.0)]
    assert outcomes(still, *reports) == (["matched"], ["yes", SILENCE, None, UNKNOWN])


seconds = st.integers(0, 200).map(lambda tenths: tenths / 10)
events_drawn = st.lists(
    st.builds(
        lambda word, start, length: Event(word, start, None if length is None else start + length),
        st.sampled_from([*COMMANDS, "dog", UNKNOWN, SILENCE]),
        seconds,
        st.none() | st.sampled_from([0.0, 0.2, 0.5, 3.0]),
    ),
    max_size=15,
)
reports_drawn = st.lists(st.builds(Report, st.sampled_from(COMMANDS), seconds), max_size=20)


@settings(max_examples=200, deadline=None)
@given(events=events_drawn, reports=reports_drawn)
def test_nothing_is_lost_and_nothing_counts_twice(events: list[Event], reports: list[Report]) -> None:
    matching = match(events, reports, COMMANDS)
    spoken = sorted((event for event in events if event.word in COMMANDS), key=lambda event: event.start)
    assert [answer.event for answer in matching.answers] == spoken
    used = [answer.report for answer in matching.answers if answer.report is not None]
    used += [accept.report for accept in matching.false_accepts]
    assert sorted(used) == sorted(reports)
    for answer in matching.answers:
        assert (answer.report is None) == (answer.outcome == "missed")
        if answer.report is not None:
            assert (answer.report.label == answer.event.word) == (answer.outcome == "matched")
            end = answer.event.end if answer.event.end is not None else answer.event.start + WORD_SECONDS
            assert answer.event.start <= answer.report.time <= end + LATE_SECONDS
    for accept in matching.false_accepts:
        assert accept.event is None or accept.event.start <= accept.report.time


@settings(max_examples=100, deadline=None)
@given(events=events_drawn, reports=reports_drawn)
def test_no_other_choice_would_match_more(events: list[Event], reports: list[Report]) -> None:
    """Compared with the largest matching in the graph of which report may answer which command."""
    answers = match(events, reports, COMMANDS).answers
    for word in COMMANDS:
        spoken = [event for event in events if event.word == word]
        own = [report for report in reports if report.label == word]
        may = np.zeros((len(spoken) + 1, len(own) + 1))  # one more, because it must not be empty
        for i, event in enumerate(spoken):
            end = event.start + WORD_SECONDS if event.end is None else event.end
            may[i, :-1] = [event.start <= report.time <= end + LATE_SECONDS for report in own]
        most = int((maximum_bipartite_matching(csr_array(may)) >= 0).sum())
        assert sum(a.event.word == word and a.outcome == "matched" for a in answers) == most
