// Goes before a test's steps, which leave what they find in `results`; whatever happens is sent to the test.

const results = {};
const send = (message) => fetch("/results", { method: "POST", body: JSON.stringify(message) });
addEventListener("error", (event) => send({ failure: event.message }));
addEventListener("unhandledrejection", (event) => send({ failure: String(event.reason?.stack ?? event.reason) }));

const until = async (test) => {
  for (;;) {
    const value = test();
    if (value) return value;
    await new Promise((resolve) => { setTimeout(resolve, 20); });
  }
};

// The page under test, in a frame that is read and worked as a person would.
const frame = document.createElement("iframe");
frame.allow = "microphone";
document.body.append(frame);
let doc, win;

const open = async (address, { width = 1280, file = "index.html" } = {}) => {
  Object.assign(frame.style, { width: `${width}px`, height: "900px" });
  frame.src = "about:blank";
  await until(() => frame.contentWindow.location.href === "about:blank");
  frame.src = `${file}#${address}`;
  await until(() => frame.contentDocument?.body?.dataset.ready === "yes");
  [doc, win] = [frame.contentDocument, frame.contentWindow];
};

const at = (id) => doc.getElementById(id);
const state = () => Object.fromEntries(new URLSearchParams(win.location.hash.slice(1)));
const failure = () => (at("failure").hidden ? "" : at("failure").textContent);
const headings = () => [...doc.querySelectorAll(".column h2")].map((head) => head.textContent);

/** Do something and wait until all that follows is computed. */
const settled = async (change) => {
  delete doc.body.dataset.done;
  change();
  await until(() => doc.body.dataset.done === "yes" && at("status").textContent === "");
};

const enter = (id, value, kind = "change") => {
  at(id).value = value;
  at(id).dispatchEvent(new win.Event(kind));
};

/** All numbers of the drawing, by formula and form. */
const numbers = () => Object.fromEntries([...at("diagram").querySelectorAll("[data-text]")]
  .map((text) => [`${text.dataset.text} ${text.dataset.form}`, text.textContent]));

/** The answer on show, with a gate set by hand if one is. */
const answers = () => Object.fromEntries([...at("answer").tBodies[0].rows]
  .map((row) => [row.cells[0].textContent, (row.querySelector("em") ?? row.cells[2]).textContent]));

