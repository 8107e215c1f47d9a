// The strips of a recording on one axis of time: waveform, features, answer, and a heat map of every gate.

const RATIO = window.devicePixelRatio || 1;
const TALL = Math.max(1, Math.min(1.6, (innerHeight - 60) / 740));  // a tall window has room for tall maps

function element(tag, kind, text) {
  const made = document.createElement(tag);
  if (kind) made.className = kind;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** A 256-step colour map of the file: a number from 0 to 1 → [red, green, blue]. */
function colours(name) {
  const bytes = Uint8Array.from(atob(page.colours[name]), (letter) => letter.charCodeAt(0));
  return (share) => {
    const at = 3 * Math.max(0, Math.min(255, Math.round(255 * share)));
    return [bytes[at], bytes[at + 1], bytes[at + 2]];
  };
}
const SHARES = colours("shares"), SIGNED = colours("signed");

/** A row of the figure: its name, a canvas over time, and its key on the right. */
function strip(column, name, role, height, tag = "div") {
  const row = element("div", "strip");
  row.style.height = `${Math.round(height * (page.recordings.length > 1 ? 1 : TALL))}px`;
  const label = element(tag, "name", name);
  if (role && role !== name) label.append(element("small", "", role));
  const canvas = element("canvas");
  const key = element("div", "key");
  row.append(label, canvas, key);
  column.append(row);
  return { row, label, canvas, key };
}

/** The canvas's context, cleared, in pixels of the page. */
function fresh(canvas) {
  const { width, height } = canvas.getBoundingClientRect();
  canvas.width = Math.max(1, Math.round(width * RATIO));
  canvas.height = Math.max(1, Math.round(height * RATIO));
  const context = canvas.getContext("2d");
  context.scale(RATIO, RATIO);
  return { context, width, height };
}

/** A heat map, rows from the top in `order`, of `share(row, frame)` from 0 to 1. */
function heat(canvas, recording, order, share, map) {
  const { context, width, height } = fresh(canvas);
  const frames = recording.times.length;
  const image = new ImageData(frames, order.length);
  order.forEach((row, y) => {
    for (let frame = 0; frame < frames; frame++) {
      image.data.set([...map(share(row, frame)), 255], 4 * (y * frames + frame));
    }
  });
  const small = element("canvas");
  small.width = frames;
  small.height = order.length;
  small.getContext("2d").putImageData(image, 0, 0);
  context.imageSmoothingEnabled = false;
  const left = across(recording, 0, width) - (width * recording.hop) / recording.seconds / 2;
  context.drawImage(small, left, 0, (width * recording.hop * frames) / recording.seconds, height);
}

/** The x of the middle of a frame, in pixels of a canvas of this width. */
function across(recording, frame, width) {
  return (width * recording.times[frame]) / recording.seconds;
}

function frameAt(recording, share) {
  const frame = Math.round((share * recording.seconds - recording.times[0]) / recording.hop);
  return Math.max(0, Math.min(recording.times.length - 1, frame));
}

/** The scale of a heat map: its colours and their ends. */
function scale(key, map, low, high) {
  const bar = element("i");
  const stops = [1, 0.75, 0.5, 0.25, 0].map((share) => `rgb(${map(share).join()})`);
  bar.style.background = `linear-gradient(${stops.join()})`;
  const ends = element("span");
  ends.append(element("span", "", high), element("span", "", low));
  key.replaceChildren(bar, ends);
}

function drawWaveform(canvas, recording) {
  const { context, width, height } = fresh(canvas);
  const samples = recording.samples, most = recording.loudest;
  context.fillStyle = "#333";
  for (let x = 0; x < width; x++) {
    const from = Math.floor((samples.length * x) / width), to = Math.max(from + 1, (samples.length * (x + 1)) / width);
    let low = 0, high = 0;
    for (let i = from; i < to && i < samples.length; i++) {
      low = Math.min(low, samples[i]);
      high = Math.max(high, samples[i]);
    }
    const top = height / 2 - (high / most) * (height / 2 - 1), bottom = height / 2 - (low / most) * (height / 2 - 1);
    context.fillRect(x, top, 1, Math.max(0.7, bottom - top));
  }
}

/** The features as the first layer reads them, the first at the bottom; one scale for all recordings. */
function drawFeatures(canvas, recording) {
  const features = array(recording.features), size = features.shape[1];
  const order = Array.from({ length: size }, (_, i) => size - 1 - i);
  const largest = Math.max(...page.recordings.map((each) => each.largestFeature));
  heat(canvas, recording, order, (row, frame) => 0.5 + features.at(frame, row) / (2 * largest), SIGNED);
}

/** The probability lost when the time around a frame is hidden, as an area; the gradient as a line on its own scale. */
function drawNeeded(canvas, key, recording) {
  const { context, width, height } = fresh(canvas);
  const most = Math.max(0.02, ...page.recordings.flatMap((each) => each.needed));
  const least = Math.min(-most / 10, ...recording.needed), steepest = Math.max(1e-12, ...recording.gradient);
  const down = (value) => 1 + ((height - 2) * (most - value)) / (most - least);
  const trace = (values) => values.forEach((value, frame) => context.lineTo(across(recording, frame, width), down(value)));
  context.fillStyle = "#aaa";
  context.beginPath();
  context.moveTo(across(recording, 0, width), down(0));
  trace(recording.needed);
  context.lineTo(across(recording, recording.times.length - 1, width), down(0));
  context.fill();
  context.strokeStyle = page.gradient;
  context.lineWidth = 1.3;
  context.beginPath();
  trace(recording.gradient.map((size) => (0.95 * most * size) / steepest));
  context.stroke();
  const hidden = element("b", "", "hidden"), gradient = element("b", "", "gradient");
  hidden.title = `percentage points that the answer loses when ${Math.round(1000 * recording.hidden)} ms around the frame are hidden, up to ${(100 * most).toFixed(0)}`;
  hidden.style.color = "#888";
  gradient.title = "how much the answer changes with the features of the frame, as a share of the largest change";
  gradient.style.color = page.gradient;
  key.className = "key legend";
  key.replaceChildren(hidden, gradient);
}

/** The answer if the recording ended with each frame: the likeliest labels in colour, named on the right. */
function drawPosteriors(canvas, key, recording) {
  const { context, width, height } = fresh(canvas);
  const posteriors = array(recording.posteriors), frames = recording.times.length;
  const clear = recording.clear;
  const likeliest = [...clear, ...page.labels.keys()].filter((label, place, all) => all.indexOf(label) === place);
  context.strokeStyle = "#ddd";
  context.strokeRect(0.5, 0.5, width - 1, height - 1);
  for (const label of [...likeliest].reverse()) {
    const shown = clear.includes(label);
    context.strokeStyle = shown ? page.lines[label] : "#ccc";
    context.lineWidth = shown ? 2.2 : 0.8;
    context.beginPath();
    for (let frame = 0; frame < frames; frame++) {
      context.lineTo(across(recording, frame, width), 1 + (height - 2) * (1 - posteriors.at(frame, label)));
    }
    context.stroke();
  }
  key.className = "key legend";
  key.replaceChildren(...clear.map((label) => {
    const name = element("b", "", page.labels[label]);
    name.style.color = page.lines[label];
    return name;
  }));
}

function drawAxis(canvas, recording) {
  const { context, width } = fresh(canvas);
  context.fillStyle = "#444";
  context.font = '12px "Segoe UI", "Helvetica Neue", Arial, sans-serif';
  const step = [0.05, 0.1, 0.2, 0.5].find((step) => (step / recording.seconds) * width > 44) || 1;
  for (let tick = Math.ceil(recording.start / step); tick * step <= recording.start + recording.seconds + 1e-9; tick++) {
    const x = ((tick * step - recording.start) / recording.seconds) * width;
    context.fillRect(Math.min(x, width - 1), 0, 1, 4);
    context.textAlign = x < 12 ? "left" : x > width - 12 ? "right" : "center";
    context.fillText((tick * step).toFixed(step < 0.1 ? 2 : 1).replace("-", "−"), x, 16);
  }
}
