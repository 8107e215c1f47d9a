// Sounds: files and examples become a second at 16 kHz; playing.

export const RATE = 16000;

/** The samples of a sound file, mixed to one channel at 16 kHz; rejects for what the browser cannot decode. */
export async function decode(bytes) {
  const context = new OfflineAudioContext(1, 1, RATE);
  const buffer = await context.decodeAudioData(bytes);
  const samples = new Float32Array(buffer.length);
  for (let channel = 0; channel < buffer.numberOfChannels; channel++) {
    buffer.getChannelData(channel).forEach((value, i) => { samples[i] += value / buffer.numberOfChannels; });
  }
  return samples;
}

/** A second: a shorter sound between zeros, of a longer one the stretch with the most energy; as `find_clip` in Python. */
export function second(samples) {
  const missing = RATE - samples.length, clip = new Float32Array(RATE);
  if (missing >= 0) {
    clip.set(samples, missing >> 1);
    return { waveform: clip, start: -(missing >> 1) / RATE };
  }
  let energy = 0, most = -1, first = 0;
  for (let i = 0; i < samples.length; i++) {
    energy += samples[i] ** 2 - (i >= RATE ? samples[i - RATE] ** 2 : 0);
    if (i >= RATE - 1 && energy > most) [most, first] = [energy, i - RATE + 1];
  }
  clip.set(samples.subarray(first, first + RATE));
  return { waveform: clip, start: first / RATE };
}

/** Plays a waveform; `position` is in seconds of the sound. */
export class Player {
  constructor() {
    this.context = null;
    this.source = null;
  }

  get playing() {
    return this.source !== null;
  }

  play(waveform, from, rate, ended) {
    this.stop();
    this.context ??= new AudioContext();
    this.context.resume();
    const buffer = this.context.createBuffer(1, waveform.length, RATE);
    buffer.copyToChannel(waveform, 0);
    const source = this.context.createBufferSource();
    Object.assign(source, { buffer, onended: () => { if (this.source === source) { this.source = null; ended(); } } });
    source.playbackRate.value = rate;
    source.connect(this.context.destination);
    source.start(0, from);
    Object.assign(this, { source, from, rate, begun: this.context.currentTime });
  }

  get position() {
    return this.from + (this.context.currentTime - this.begun) * this.rate;
  }

  stop() {
    const { source } = this;
    this.source = null;
    source?.stop();
  }
}
