// Measures the page, which is in a frame, for bench_page.py.

const send = (results) => fetch("/results", { method: "POST", body: JSON.stringify(results) });
addEventListener("error", (event) => send({ failure: event.message }));
addEventListener("unhandledrejection", (event) => send({ failure: String(event.reason?.stack ?? event.reason) }));

const facts = await (await fetch("facts.json")).json();
const results = { first: [], engines: {}, words: [], other: null };
const wait = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
const until = async (test) => {
  while (!test()) await wait(2);
};

const frame = document.createElement("iframe");
frame.allow = "microphone; autoplay";
Object.assign(frame.style, { width: "1280px", height: "900px" });
document.body.append(frame);
const at = (id) => frame.contentDocument.getElementById(id);
const mark = (name) => frame.contentDocument?.body?.dataset[name] === "yes";

// The first answer, from the moment at which the address is opened.
for (let round = 0; round < 5; round++) {
  frame.src = "about:blank";
  await until(() => frame.contentWindow.location.href === "about:blank");
  const begun = performance.now();
  frame.src = "index.html#sound=stop";
  await until(() => frame.contentWindow.location.href !== "about:blank" && mark("ready"));
  results.first.push(performance.now() - begun);
  await until(() => mark("done"));
}

// The engine alone, on a second of noise.
const { Network } = await import("./network.js");
const noise = Float32Array.from({ length: 16000 }, () => Math.random() - 0.5);
for (const name of [facts.model, "lstm", "peephole", "gru", "rnn"]) {
  const network = new Network(await (await fetch(`${name}.pack`)).arrayBuffer());
  const run = () => {
    const features = network.features(noise);
    network.run(network.normalise(features), features.frames);
  };
  for (let i = 0; i < 10; i++) run();
  results.engines[name] = [];
  for (let i = 0; i < facts.rounds; i++) {
    const begun = performance.now();
    run();
    results.engines[name].push(performance.now() - begun);
  }
}

// Frames while the sound plays, at half speed to have more of them.
at("rate").value = "0.5";
at("rate").dispatchEvent(new Event("change"));
at("play").click();
const { contentWindow: win } = frame, times = [];
await until(() => new URLSearchParams(win.location.hash.slice(1)).get("frame") > 1);
for (const end = performance.now() + 1200; performance.now() < end;) times.push(await new Promise((r) => { win.requestAnimationFrame(r); }));
const gaps = times.slice(1).map((time, i) => time - times[i]);
results.rate = (1000 * gaps.length) / (times.at(-1) - times[0]);
results.longest = Math.max(...gaps);
at("play").click();

// From the end of a word to its gates. The page marks the moment at which it finds that a word has ended.
const QUIET = 120;  // milliseconds of quiet after which a word counts as ended
const heading = () => frame.contentDocument.querySelector(".column h2").textContent;
at("speak").click();
for (let shown = heading(), end = performance.now() + 25000; performance.now() < end;) {
  await until(() => heading() !== shown || performance.now() > end);
  if (heading() === shown) break;
  shown = heading();
  await new Promise((resolve) => { win.requestAnimationFrame(() => win.requestAnimationFrame(resolve)); });
  results.words.push(win.performance.now() - win.performance.getEntriesByName("word").at(-1).startTime + QUIET);
}

if (facts.other) {
  const begun = performance.now(), ort = await import("./ort.js");
  ort.env.wasm.numThreads = 1;
  const session = await ort.InferenceSession.create("model.onnx");
  const run = () => session.run({ waveforms: new ort.Tensor("float32", noise, [1, 16000]) });
  await run();
  results.other = { first: performance.now() - begun, times: [] };
  for (let i = 0; i < 10; i++) await run();
  for (let i = 0; i < facts.rounds; i++) {
    const start = performance.now();
    await run();
    results.other.times.push(performance.now() - start);
  }
}
await send(results);
