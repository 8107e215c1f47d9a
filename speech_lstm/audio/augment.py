"""Random changes of a batch of recordings, on the device that trains, without a loop over its recordings.

A seed decides everything: `Augment.draw` draws the numbers of a whole batch, `Draws.rows` selects those of one
process, so that several processes together compute what one would have computed.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from speech_lstm.audio.context import word_edges
from speech_lstm.audio.mfcc import row_slices
from speech_lstm.audio.timbre import CURVES, Timbre
from speech_lstm.config import SAMPLE_RATE, AugmentConfig, FeatureConfig

QUIETEST_NOISE = 1e-6  # level; quieter noise is digital silence, which is not raised further
EDGE = SAMPLE_RATE // 40  # samples between a word that is set anywhere and the ends of its second, if it is short


@dataclass(frozen=True)
class Draws:
    """The random numbers of a batch; each field has one row for each recording."""

    rate: Tensor  # [batch] samples read for each sample written
    shift: Tensor  # [batch] samples, later is positive
    gain: Tensor  # [batch] factor
    noise_start: Tensor  # [batch] first sample of the noise, int64
    noise_snr: Tensor  # [batch] dB
    noise_volume: Tensor  # [batch] factor; 0 for no noise
    silence_start: Tensor  # [batch] first sample of the noise that is the recording of a silent row, int64
    silence_volume: Tensor  # [batch] factor
    time_masks: Tensor  # [batch, masks, 2] start as a share of the frames, width in frames
    frequency_masks: Tensor  # [batch, masks, 2] start as a share, width in coefficients
    stretch: Tensor  # [batch] factor on every frequency
    response: Tensor  # [batch, CURVES] dB
    anywhere: Tensor  # [batch] whether the word is set anywhere in the second, bool
    place: Tensor  # [batch] where then, as a share of the room that the word leaves

    def rows(self, start: int, stop: int) -> Draws:
        """The draws of the recordings start … stop−1 of the batch."""
        return Draws(**{item.name: getattr(self, item.name)[start:stop] for item in fields(self)})


class Augment:
    """Time shift, speed, level, background noise, timbre and SpecAugment, by the settings.

    `noise` is one long waveform, float32 [samples], at least `samples` long, on the device that trains.
    """

    def __init__(self, config: AugmentConfig, noise: Tensor, samples: int, features: FeatureConfig) -> None:
        self.config = config
        self.timbre = Timbre(features, noise.device)
        self.windows = noise.unfold(0, samples, 1)  # a view: row i is the noise from sample i on
        self.samples = samples
        self.mask_frames = config.time_mask_ms / features.hop_ms
        self.time = torch.arange(samples, device=noise.device)

    def draw(self, batch: int, seed: int) -> Draws:
        """The numbers of a batch, from the seed alone; drawn on the CPU, so they are the same for every device."""
        config, random = self.config, torch.Generator().manual_seed(seed)

        def uniform(low: float, high: float, *shape: int) -> Tensor:
            return low + (high - low) * torch.rand(batch, *shape, generator=random)

        def place() -> Tensor:
            return (uniform(0, 1) * len(self.windows)).long().clamp(max=len(self.windows) - 1)

        def masks(count: int, width: float) -> Tensor:
            return torch.stack([uniform(0, 1, count), uniform(0, width, count)], dim=-1)

        shift = config.shift_ms * SAMPLE_RATE / 1000
        noisy = uniform(0, 1) < config.noise
        volume = uniform(0, config.volume) if config.noise_by == "volume" else torch.ones(batch)
        draws = Draws(
            rate=uniform(1 - config.speed, 1 + config.speed),
            shift=uniform(-shift, shift).round(),
            gain=decibels(uniform(-config.level_db, config.level_db)),
            noise_start=place(),
            noise_snr=uniform(config.snr_low_db, config.snr_high_db),
            noise_volume=volume * noisy,
            silence_start=place(),
            silence_volume=uniform(0, 1).square(),  # quiet rooms are more common than loud ones
            time_masks=masks(config.time_masks, self.mask_frames),
            frequency_masks=masks(config.frequency_masks, config.frequency_mask),
            stretch=uniform(1 - config.tract, 1 + config.tract),
            response=uniform(-config.response_db, config.response_db, CURVES),
            anywhere=uniform(0, 1) < config.anywhere,
            place=uniform(0, 1),
        )
        device = self.time.device
        return Draws(**{item.name: getattr(draws, item.name).to(device) for item in fields(draws)})

    def shift_more(self, draws: Draws, unknown: Tensor) -> Draws:
        """The same draws, except that `unknown` rows, bool [batch], are shifted up to `unknown_shift_ms`."""
        config = self.config
        if config.unknown_shift_ms <= config.shift_ms:
            return draws
        shift = (draws.shift * (config.unknown_shift_ms / config.shift_ms)).round()
        return replace(draws, shift=torch.where(unknown, shift, draws.shift))

    def shift_anywhere(self, draws: Draws, waveforms: Tensor, unknown: Tensor) -> Draws:
        """The same draws, except that some rows of waveforms [batch, samples] are shifted so that their word, which
        stays whole, is anywhere in the second; not those that are `unknown`, bool [batch]."""
        if not self.config.anywhere:
            return draws
        middle = self.samples / 2
        start, end = (((edge - middle) / draws.rate + middle) for edge in word_edges(waveforms))
        low, high = EDGE - start, self.samples - EDGE - end
        room = (high - low).clamp(min=0)
        shift = torch.where(room > 0, low + draws.place * room, (low + high) / 2).round()
        return replace(draws, shift=torch.where(draws.anywhere & ~unknown, shift, draws.shift))

    def waveforms(self, waveforms: Tensor, silent: Tensor, draws: Draws) -> Tensor:
        """Changed copies of waveforms float32 [batch, samples]; rows that are `silent` [batch] are noise."""
        changed = torch.empty_like(waveforms)
        for rows in row_slices(waveforms):
            changed[rows] = self.change(waveforms[rows], silent[rows], draws.rows(rows.start, rows.stop))
        return changed

    def change(self, waveforms: Tensor, silent: Tensor, draws: Draws) -> Tensor:
        """As `waveforms`, for a part of a batch."""
        silence = self.windows[draws.silence_start[silent]].mul_(draws.silence_volume[silent, None])
        waveforms = waveforms.index_put((silent,), silence)
        if self.config.shift_ms or self.config.speed:
            waveforms = self.resample(waveforms, draws)
        waveforms.mul_(draws.gain[:, None])
        noise = self.windows[draws.noise_start]
        volume = draws.noise_volume
        if self.config.noise_by == "snr":
            ratio = level(waveforms) / level(noise).clamp(min=QUIETEST_NOISE)
            volume = volume * ratio * decibels(-draws.noise_snr)
        return waveforms.addcmul_(noise, volume[:, None]).clamp_(-1, 1)

    def resample(self, waveforms: Tensor, draws: Draws) -> Tensor:
        """Shift and speed in one pass: linear interpolation at (t − middle − shift) · rate + middle."""
        middle = self.samples / 2
        offset = middle - (middle + draws.shift) * draws.rate
        position = torch.addcmul(offset[:, None], self.time, draws.rate[:, None])
        whole = position.floor()
        part = position.sub_(whole)
        # Two zeros on either side represent everything outside the recording.
        padded = torch.nn.functional.pad(waveforms, (2, 2))
        index = whole.clamp_(-2, self.samples).long().add_(2)
        return padded.gather(1, index).lerp_(padded.gather(1, index.add_(1)), part)

    def features(self, features: Tensor, draws: Draws) -> Tensor:
        """Timbre, then SpecAugment on features [batch, frames, size]: masked parts become the recording's mean."""
        if self.config.tract or self.config.response_db:
            features = self.timbre(features, draws.stretch, draws.response)
        if not (self.config.time_masks or self.config.frequency_masks):
            return features
        _, frames, size = features.shape
        masked = mask_of(frames, draws.time_masks)[:, :, None] | mask_of(size, draws.frequency_masks)[:, None, :]
        return torch.where(masked, features.mean(1, keepdim=True), features)


def mask_of(length: int, masks: Tensor) -> Tensor:
    """The places of `length` that any of the masks [batch, masks, 2] covers: bool [batch, length]."""
    start, width = masks[..., 0], masks[..., 1].round().clamp(max=length)
    start = (start * (length - width + 1)).floor()
    place = torch.arange(length, device=masks.device)
    return ((place >= start[..., None]) & (place < (start + width)[..., None])).any(1)


def decibels(gain: Tensor) -> Tensor:
    """The amplitude factor of a gain in dB."""
    return 10 ** (gain / 20)


def level(waveforms: Tensor) -> Tensor:
    """The root of the mean square of waveforms [batch, samples]: [batch]."""
    return torch.linalg.vector_norm(waveforms, dim=1) / waveforms.shape[1] ** 0.5
