// A visit to the page with two small models.

// Numbers of a unit at a frame, and the answer; then the forget gate set by hand, at first everywhere.
await open("model=tiny&sound=stop&layer=2&direction=backward&gate=f&unit=3&frame=9&order=index");
results.plain = numbers();
results.answers = answers();
[results.title] = headings();
await settled(() => enter("value", facts.value, "input"));
results.held = answers();
await settled(() => {
  enter("from", facts.from);
  enter("to", facts.to);
});
results.stretch = answers();
results.effect = at("effect").textContent;
results.address = state();
await settled(() => at("release").click());
results.released = answers();

// Keys, choices, the map, all layers, moments like this.
results.log = [];
const note = () => results.log.push(["layer", "direction", "gate", "unit", "frame"].map((name) => state()[name]).join(" "));
const press = (key) => {
  doc.body.dispatchEvent(new win.KeyboardEvent("keydown", { key, bubbles: true }));
  note();
};
press("ArrowRight");
press("ArrowLeft");
press("ArrowLeft");
press("ArrowDown");
at("later").click();
note();
await settled(() => enter("gate", "c"));
note();
await settled(() => enter("layer", "1"));
note();
const point = (kind, share) => {
  const map = doc.querySelector('[data-name="o"] canvas.map'), { left, top, width } = map.getBoundingClientRect();
  map.dispatchEvent(new win.PointerEvent(kind, { clientX: left + 1 + share * width, clientY: top + 1, buttons: 1 }));
};
point("pointermove", 0);
results.tip = at("tip").firstChild.textContent;
await settled(() => {
  point("pointerdown", 0);
  point("pointerup", 0);
});
note();
await settled(() => {
  point("pointerdown", 0);
  point("pointermove", 0.5);
  point("pointerup", 0.5);
});
results.dragged = state();
at("all").open = true;
await until(() => at("overview").querySelectorAll("canvas").length);
results.overview = at("overview").querySelectorAll("canvas").length;
at("alike").open = true;
await until(() => at("moments").children.length === 5);
results.alike = at("moments").textContent;

// Two cells on one sound.
await open("model=tiny&beside=other&sound=go&gate=h");
results.two = headings();
results.maps = [...doc.querySelectorAll(".column")].map((column) => [...column.querySelectorAll("[data-name]")]
  .map((row) => row.dataset.name));
results.cursors = [...doc.querySelectorAll(".cursor")].map((cursor) => cursor.style.width);

// A gate held in both: the one that keeps the memory, at what keeps the same share.
await settled(() => at("keep-all").click());
results.kept = headings();
await settled(() => doc.querySelectorAll(".column")[1].querySelector('[data-name="h"] button').click());
results.handed = state();

// The tour in both languages.
at("tour-open").click();
results.tour = {};
results.words = {};
for (const language of ["cs", "en"]) {
  await settled(() => doc.querySelector(`[lang="${language}"]`).click());
  while (!at("tour-back").disabled) at("tour-back").click();
  results.tour[language] = [];
  for (let last = false; !last;) {
    results.tour[language].push(["title", "text", "try", "question", "answer"].map((part) => at(`tour-${part}`).textContent));
    last = at("tour-next").disabled;
    at("tour-next").click();
  }
  results.words[language] = [doc.documentElement.lang, at("open").textContent, at("diagram").textContent];
}
const { word } = await import("./words.js");
const { sentence, terms } = await import("./terms.js");
results.unexplained = facts.roles.filter((role) => !sentence("en", role) || !sentence("cs", role));
results.terms = ["en", "cs"].map((language) => terms(language).length);
results.missing = facts.words.filter((key) => ["en", "cs"].some((language) => word(language, key) === undefined));

// A file of one's own, and one that is none.
const give = (name, bytes) => {
  const files = new win.DataTransfer();
  files.items.add(new win.File([bytes], name));
  win.dispatchEvent(new win.DragEvent("drop", { dataTransfer: files, cancelable: true }));
};
await open("model=tiny&sound=yes");
give("notes.txt", "no sound");
results.refused = await until(failure);
give("mine.wav", await (await fetch("no.wav")).arrayBuffer());
results.mine = await until(() => headings().find((text) => text.startsWith("mine.wav")));

// Narrow and wide; names for those who do not see; requests.
results.widths = {};
for (const width of [360, 1280, 2560]) {
  await open("model=tiny&beside=other&sound=yes", { width });
  results.widths[width] = doc.documentElement.scrollWidth;
}
const parts = [...doc.querySelectorAll("button, select, input, canvas.map")].filter((part) => part.offsetParent);
results.unnamed = parts.filter((part) => !part.textContent.trim() && !part.getAttribute("aria-label") && !part.closest("label"))
  .map((part) => part.outerHTML);
results.elsewhere = win.performance.getEntriesByType("resource").map((entry) => entry.name)
  .filter((name) => !name.startsWith(location.origin));
if (failure()) results.failure = failure();
