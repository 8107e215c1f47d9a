"""What the seconds of a stream hold besides one whole word: words cut off or joined, and speech around a word.

Where a word is, its energy tells: it begins and ends where small shares of the recording's energy lie outside.
"""

from __future__ import annotations

import torch
from torch import Tensor

from speech_lstm.config import SAMPLE_RATE

FADE = 80.0  # samples (5 ms): time constant of a logistic fade; a hard cut would click, and the click tell the cut
OUTSIDE = 0.02  # of the energy lies before a word, and as much after it
CUT = (0.5, 0.85)  # of a word that is cut off: with less missing, people still hear the word
INNER_GAP = (0.0, 0.06)  # seconds between a word within running speech and what is around it
BESIDE_GAP = (0.08, 0.4)  # seconds between a word and speech on one side of it
SPEECH_DB = 6.0  # by which the level of speech around a word may differ from the word's


def energy_places(waveforms: Tensor, *shares: float) -> tuple[Tensor, ...]:
    """The samples before which these shares of the energy of waveforms [batch, samples] lie: int64 [batch] each."""
    energy = waveforms.square().cumsum(1)
    return torch.searchsorted(energy, energy[:, -1:] * energy.new_tensor(shares)).unbind(1)


def word_edges(waveforms: Tensor) -> tuple[Tensor, ...]:
    """Where the words of waveforms [batch, samples] begin and end: two of int64 [batch]."""
    return energy_places(waveforms, OUTSIDE, 1 - OUTSIDE)


def splice(first: Tensor, second: Tensor) -> Tensor:
    """The first half of one recording and the second half of another, each cut at half of its energy: both float32
    [batch, samples] → [batch, samples]. The result is neither word."""
    cut, other_cut = (energy_places(waveforms, 0.5)[0][:, None] for waveforms in (first, second))
    time = torch.arange(first.shape[1], device=first.device)
    return torch.lerp(first, moved(second, cut - other_cut), torch.sigmoid((time - cut) / FADE))


def cut_off(waveforms: Tensor, chance: Tensor) -> Tensor:
    """Words of waveforms float32 [batch, samples] that the beginning or the end of the second cuts off.

    `chance`, float32 [batch, 2] from 0 to 1, decides on which side, and how much of the word is missing.
    """
    start, end = word_edges(waveforms)
    missing = ((end - start) * between(CUT, chance[:, 1])).long()
    samples = waveforms.shape[1]
    return moved(waveforms, torch.where(chance[:, 0] < 0.5, -start - missing, samples - end + missing)[:, None])


def within_speech(words: Tensor, speech: Tensor, chance: Tensor) -> Tensor:
    """Words of waveforms float32 [batch, samples] in running speech of the same shape, without pauses around them.

    `chance`, float32 [batch, 3] from 0 to 1, decides on the gaps before and after the word and on the level.
    """
    before, after = (between(INNER_GAP, chance[:, i]) * SAMPLE_RATE for i in (0, 1))
    return surround(words, speech, before, after, chance[:, 2])


def beside_speech(words: Tensor, speech: Tensor, chance: Tensor) -> Tensor:
    """As `within_speech`, but with a pause between word and speech, which is on one side only."""
    gap = between(BESIDE_GAP, chance[:, 0]) * SAMPLE_RATE
    alone = torch.full_like(gap, 2 * words.shape[1])
    side = chance[:, 1] < 0.5
    return surround(words, speech, torch.where(side, gap, alone), torch.where(side, alone, gap), chance[:, 2])


def surround(words: Tensor, speech: Tensor, before: Tensor, after: Tensor, chance: Tensor) -> Tensor:
    """Words in speech, both float32 [batch, samples], which pauses so many samples before and after each word."""
    start, end = word_edges(words)
    time = torch.arange(words.shape[1], device=words.device)
    around = torch.sigmoid(((start - before)[:, None] - time) / FADE)
    around = around + torch.sigmoid((time - (end + after)[:, None]) / FADE)
    loudness = words.square().sum(1) / (end - start + 1)
    ratio = loudness / speech.square().mean(1).clamp(min=1e-10)
    gain = ratio.sqrt() * 10 ** (between((-SPEECH_DB, SPEECH_DB), chance) / 20)
    return words + speech * around * gain[:, None]


def moved(waveforms: Tensor, shift: Tensor) -> Tensor:
    """Waveforms float32 [batch, samples], later by int64 [batch, 1] samples, with zeros where nothing was."""
    samples = waveforms.shape[1]
    source = torch.arange(samples, device=waveforms.device) - shift
    return waveforms.gather(1, source.clamp(0, samples - 1)) * ((source >= 0) & (source < samples))


def between(limits: tuple[float, float], share: Tensor) -> Tensor:
    """The number that lies at a share of the way from one limit to the other."""
    low, high = limits
    return low + (high - low) * share
