// The microphone: samples at 16 kHz, and the stretches of sound in them.

import { RATE } from "./sound.js";

const BLOCK = RATE / 50;  // samples whose level is compared with the background: 20 ms
const TAIL = 3;  // quiet blocks that belong to a word
const END = 6;  // quiet blocks that end it
const JOIN = 18;  // quiet blocks after which sound is another word: "stop" and "right" have a pause inside
const LEAD = 5;  // blocks before a word that belong to it
const FLOOR = 3e-4;  // least level of the background
const LOUDER = 3;  // times the background: a word
const SHORTEST = 4;  // loud blocks of a word
const REACH = 16;  // samples on either side that a resampled one is made of, at the lower rate

/** Blocks at any rate become blocks at 16 kHz: an interpolation by a windowed sinc that removes what is above 8 kHz. */
export class Resampler {
  constructor(rate) {
    this.step = rate / RATE;
    this.cut = Math.min(1, RATE / rate);
    this.reach = Math.ceil(REACH / this.cut);
    this.held = new Float32Array(this.reach);
    this.at = this.reach;  // place of the next sample among those held
  }

  resample(block) {
    const samples = new Float32Array(this.held.length + block.length), out = [];
    samples.set(this.held);
    samples.set(block, this.held.length);
    for (; this.at + this.reach < samples.length; this.at += this.step) {
      const middle = Math.floor(this.at);
      let sum = 0;
      for (let i = middle - this.reach + 1; i <= middle + this.reach; i++) sum += samples[i] * this.weight(i - this.at);
      out.push(sum);
    }
    const used = Math.max(0, Math.floor(this.at) - this.reach);
    this.held = samples.slice(used);
    this.at -= used;
    return Float32Array.from(out);
  }

  weight(distance) {
    const x = Math.PI * distance * this.cut, window = Math.cos((Math.PI * distance) / (2 * this.reach)) ** 2;
    return this.cut * (x === 0 ? 1 : Math.sin(x) / x) * window;
  }
}

/**
 * Finds the words in a stream.
 *
 * `perhaps(samples)` gets what is a word if it does not go on, so that it is computed while that is awaited; `word`
 * gets what `perhaps` returned and the place where the word began, again if it went on after a short pause.
 */
export class WordFinder {
  constructor(perhaps, word) {
    Object.assign(this, { perhaps, word });
    this.rest = new Float32Array(0);
    this.blocks = [];  // {samples, level} of the last seconds
    this.quiet = Infinity;  // blocks since the last loud one
    this.begun = null;  // the block with which the word began, counted from the beginning
    this.candidate = null;  // what `perhaps` returned
    this.count = 0;
  }

  add(samples) {
    const all = new Float32Array(this.rest.length + samples.length);
    all.set(this.rest);
    all.set(samples, this.rest.length);
    let at = 0;
    for (; at + BLOCK <= all.length; at += BLOCK) this.addBlock(all.slice(at, at + BLOCK));
    this.rest = all.slice(at);
  }

  addBlock(samples) {
    const level = Math.sqrt(samples.reduce((sum, value) => sum + value * value, 0) / BLOCK);
    this.blocks.push({ samples, level });
    this.count += 1;
    if (this.blocks.length > 150) this.blocks.shift();
    if (level > LOUDER * this.background()) {
      if (this.quiet > JOIN) this.begun = this.count - 1;
      this.quiet = 0;
      this.candidate = null;
    } else {
      this.quiet += 1;
      if (this.quiet === TAIL && this.begun !== null) this.cut();
      if (this.quiet === END && this.candidate !== null) this.word(this.candidate, this.begun);
      if (this.quiet > JOIN) this.begun = null;
    }
  }

  /** Whether a word is being spoken. */
  get speaking() {
    return this.begun !== null;
  }

  /** The level that a fifth of the last blocks do not exceed. */
  background() {
    const levels = this.blocks.map((block) => block.level).sort((a, b) => a - b);
    return Math.max(FLOOR, levels[Math.floor(levels.length / 5)]);
  }

  cut() {
    const first = this.blocks.length - (this.count - this.begun), word = this.blocks.slice(Math.max(0, first - LEAD));
    const threshold = LOUDER * this.background();
    if (word.filter((block) => block.level > threshold).length < SHORTEST) return;
    const samples = new Float32Array(word.length * BLOCK);
    word.forEach((block, i) => samples.set(block.samples, i * BLOCK));
    this.candidate = this.perhaps(samples);
  }
}

/** Opens the microphone; `heard` gets samples at 16 kHz. Returns a function that closes it; rejects if it is refused. */
export async function openMicrophone(heard) {
  const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  const stream = await navigator.mediaDevices.getUserMedia({ audio });
  let context, source;
  try {
    context = new AudioContext({ sampleRate: RATE });
    source = context.createMediaStreamSource(stream);
  } catch {  // a browser that does not resample
    context?.close();
    context = new AudioContext();
    source = context.createMediaStreamSource(stream);
  }
  await context.audioWorklet.addModule("tap.js");
  const tap = new AudioWorkletNode(context, "tap"), resampler = new Resampler(context.sampleRate);
  tap.port.onmessage = ({ data }) => heard(context.sampleRate === RATE ? data : resampler.resample(data));
  source.connect(tap);
  context.resume();  // some browsers suspend it while they ask for the microphone
  return () => {
    stream.getTracks().forEach((track) => track.stop());
    context.close();
  };
}
