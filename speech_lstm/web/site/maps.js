// Drawing in strips on one axis of time: waveform, features, answer, and a heat map of every gate.

import { SHARES, SIGNED } from "./colours.js";
import { decimal } from "./numbers.js";

export const LINES = [  // of labels
  "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#8C6D31", "#7B4FA3", "#A0A000", "#707070",
];
const GREY = "#9a9a9a";

export function element(tag, kind, text) {
  const made = document.createElement(tag);
  if (kind) made.className = kind;
  if (text !== undefined) made.textContent = text;
  return made;
}

export const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`);

/** A canvas's context, cleared, in pixels of the page. */
export function fresh(canvas) {
  const { width, height } = canvas.getBoundingClientRect(), ratio = devicePixelRatio || 1;
  const size = { width: Math.max(1, Math.round(width * ratio)), height: Math.max(1, Math.round(height * ratio)) };
  // Setting a size, even the same, makes the browser lay out the page again.
  if (canvas.width !== size.width || canvas.height !== size.height) Object.assign(canvas, size);
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

/** The x of the middle of a frame on a canvas of this width. */
const across = (column, frame, width) => (width * column.time(frame)) / column.seconds;

/** A heat map, rows from the top in `order`, of `share(row, frame)` from 0 to 1. */
export function heat(canvas, column, order, share, map) {
  const { context, width, height } = fresh(canvas), { frames } = column;
  const image = new ImageData(frames, order.length), pixels = new Uint32Array(image.data.buffer);
  order.forEach((row, y) => {
    for (let frame = 0; frame < frames; frame++) pixels[y * frames + frame] = map(share(row, frame));
  });
  const small = element("canvas");
  small.width = frames;
  small.height = order.length;
  small.getContext("2d").putImageData(image, 0, 0);
  context.imageSmoothingEnabled = false;
  const wide = (width * column.hop) / column.seconds;
  context.drawImage(small, across(column, 0, width) - wide / 2, 0, wide * frames, height);
}

/** The values of a gate, memory or output as a heat map. */
export function drawValues(canvas, column, trace, name, order, most) {
  const gate = trace.spec.gates.includes(name);
  heat(canvas, column, order, (unit, frame) => {
    const value = trace.at(name, frame, unit);
    return gate ? value : 0.5 + value / most / 2;
  }, gate ? SHARES : SIGNED);
}

export function drawWaveform(canvas, column) {
  const { context, width, height } = fresh(canvas), samples = column.sound.waveform;
  const most = samples.reduce((largest, value) => Math.max(largest, Math.abs(value)), 1e-4);
  context.fillStyle = ink("ink");
  for (let x = 0; x < width; x++) {
    const from = Math.floor((samples.length * x) / width), to = Math.max(from + 1, (samples.length * (x + 1)) / width);
    let low = 0, high = 0;
    for (let i = from; i < to && i < samples.length; i++) {
      low = Math.min(low, samples[i]);
      high = Math.max(high, samples[i]);
    }
    const top = (height / 2) * (1 - high / most), bottom = (height / 2) * (1 - low / most);
    context.fillRect(x, top, 1, Math.max(0.7, bottom - top));
  }
}

/** The features as the first layer reads them, the first at the bottom. */
export function drawFeatures(canvas, column) {
  const { normalised } = column.base, size = normalised.length / column.frames;
  const sizes = normalised.map(Math.abs).sort(), most = sizes[Math.floor(0.995 * (sizes.length - 1))] || 1;
  const order = Array.from({ length: size }, (_, i) => size - 1 - i);
  heat(canvas, column, order, (row, frame) => 0.5 + normalised[frame * size + row] / (2 * most), SIGNED);
}

/** Values by frame as an area above 0, the largest `most` high. */
export function drawArea(canvas, column, values, most, colour) {
  const { context, width, height } = fresh(canvas);
  const least = Math.min(0, ...values), down = (value) => 1 + ((height - 2) * (most - value)) / (most - least);
  context.fillStyle = colour;
  context.beginPath();
  context.moveTo(across(column, 0, width), down(0));
  values.forEach((value, frame) => context.lineTo(across(column, frame, width), down(value)));
  context.lineTo(across(column, values.length - 1, width), down(0));
  context.fill();
  context.fillStyle = ink("line");
  context.fillRect(0, down(0), width, 1);
}

/** The answer if the sound ended with each frame: the likeliest labels in colour. */
export function drawEnds(canvas, column, colourOf) {
  const { context, width, height } = fresh(canvas), { clear } = column;
  context.strokeStyle = ink("line");
  context.lineWidth = 1;
  context.strokeRect(0.5, 0.5, width - 1, height - 1);
  const others = column.model.labels.map((_, label) => label).filter((label) => !clear.includes(label));
  for (const label of [...others, ...[...clear].reverse()]) {
    const shown = clear.includes(label);
    context.strokeStyle = shown ? colourOf(label) : GREY;
    context.lineWidth = shown ? 2.2 : 0.6;
    context.beginPath();
    column.ends.forEach((row, frame) => context.lineTo(across(column, frame, width), 1 + (height - 2) * (1 - row[label])));
    context.stroke();
  }
}

export function drawAxis(canvas, column) {
  const { context, width } = fresh(canvas), { start } = column.sound;
  context.fillStyle = ink("soft");
  context.font = '12px "Segoe UI", "Helvetica Neue", Arial, sans-serif';
  const step = [0.05, 0.1, 0.2, 0.5].find((each) => (each / column.seconds) * width > 44) || 1;
  for (let tick = Math.ceil(start / step); tick * step <= start + column.seconds + 1e-9; tick++) {
    const x = ((tick * step - start) / column.seconds) * width;
    context.fillRect(Math.min(x, width - 1), 0, 1, 4);
    context.textAlign = x < 12 ? "left" : x > width - 12 ? "right" : "center";
    context.fillText(decimal(tick * step, step < 0.1 ? 2 : 1), x, 16);
  }
}

/** The scale of a heat map: its colours and their ends. */
export function scale(key, gate, most) {
  const bar = element("canvas"), ends = element("span"), map = gate ? SHARES : SIGNED;
  bar.width = 1;
  bar.height = 64;
  const image = new ImageData(1, 64);
  new Uint32Array(image.data.buffer).forEach((_, y, pixels) => { pixels[y] = map(1 - y / 63); });
  bar.getContext("2d").putImageData(image, 0, 0);
  const end = decimal(most, most < 10 ? 1 : 0);
  ends.append(element("span", "", gate ? "1" : end), element("span", "", gate ? "0" : `−${end}`));
  key.replaceChildren(bar, ends);
}
