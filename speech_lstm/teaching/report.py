"""What a user learns of a taught model: a table of its words, and which takes and words need attention."""

from __future__ import annotations

from collections import Counter

from speech_lstm.config import SILENCE, UNKNOWN
from speech_lstm.errors import printable
from speech_lstm.report.tables import NONE, align, quantity
from speech_lstm.teaching.bank import NOISE, SPEECH
from speech_lstm.teaching.gain import Gain
from speech_lstm.teaching.lesson import Taught
from speech_lstm.teaching.room import Room
from speech_lstm.teaching.takes import Take, Takes

MOST_NAMED = 4  # words in a cell
FEW_TAKES = 3


def words_table(taught: Taught) -> str:
    """A line for each word: recognised takes, false accepts an hour of speech, what is confused with it."""
    rows = [("word", "recognised takes", "false accepts per hour of speech", "confused with")]
    for word, (rate, low, high) in taught.rates.items():
        answers = taught.answers[word]
        right = f"{answers.count(word)} of {len(answers)}" if answers else NONE
        rows.append((printable(word), right, f"{rate:.2g} ({low:.2g} to {high:.2g})", confused_with(taught, word)))
    taken = sum(names.total() - names[NOISE] for names in taught.confused.values())
    return "\n".join(
        [
            *align(rows, "lrrl"),
            "",
            "Each take was recognised by a head that was taught without it. The false accepts are extrapolated from",
            f"the bank: of its {taught.tried:,} other words and seconds of speech {taken:,} are taken for a word.",
        ]
    )


def confused_with(taught: Taught, word: str) -> str:
    """The words that are taken for a word, or it for them, and how often, the most frequent first; or a dash."""
    names = Counter({name: count for name, count in taught.confused[word].items() if is_word(name)})
    for other, answers in taught.answers.items():
        if other != word:
            names[other] += answers.count(word)
            names[other] += taught.answers[word].count(other)
    named = [f"{printable(name)} {count}" for name, count in names.most_common(MOST_NAMED) if count]
    return ", ".join(named) or NONE


def is_word(name: str) -> bool:
    """Whether recordings of the bank that are named so are of one word: `_` begins the name of several."""
    return name not in (SPEECH, NOISE) and not name.startswith("_")


def remarks(taught: Taught, takes: Takes) -> list[str]:
    """The takes that look wrong, by their files, and the words with few takes."""
    lines = []
    for word, each in takes.words.items():
        answers = taught.answers[word]
        if 2 * answers.count(word) < len(answers):
            lines.append(f"{printable(word)} is seldom recognised; record more takes of it, or choose a longer word")
        else:
            lines += [odd_take(take, answer) for take, answer in zip(each, answers, strict=False) if answer != word]
        if len(each) < FEW_TAKES:
            count = quantity(len(each), "take")
            lines.append(f"{printable(word)} has only {count}; five are much better than one")
    return lines


def odd_take(take: Take, answer: str) -> str:
    """The remark about a take that is not taken for its word, but for another or none."""
    like = "unlike its other takes" if answer in (UNKNOWN, SILENCE) else f"like {printable(answer)}"
    return f"{printable(take.path)}: sounds {like}; listen to it, and record it again if it is wrong"


def gain_table(gain: Gain) -> str:
    """What was gained by learning from kept recordings: a line for the takes and one for the others."""
    rows = [("what was kept", "right before", "after")]
    if gain.takes:
        takes = f"{gain.takes_before} of {gain.takes}", f"{gain.takes_after} of {gain.takes}"
        rows.append(("takes of the words, recognised", *takes))
    if gain.others:
        others = f"{gain.others_before} of {gain.others}", f"{gain.others_after} of {gain.others}"
        rows.append(("no command, not taken for one", *others))
    return "\n".join([*align(rows, "lrr"), "", "After: each half was answered by a head that learnt the other half."])


def room_line(room: Room) -> str:
    """The false accepts in the recording of a room."""
    words = ", ".join(f"{printable(word)} {count}" for word, count in room.before.most_common()) or "none"
    levels = ", ".join(f"{printable(word)} {level:g}" for word, level in room.detection.thresholds.items())
    return (
        f"{60 * room.hours:.1f} minutes of the room: {quantity(room.before.total(), 'false accept')} ({words}); "
        f"with the thresholds {levels}: {room.after.total()}"
    )
