// The page begins here.

import { choose } from "./app.js";
import { listen } from "./controls.js";
import { fail } from "./panels.js";
import { readList } from "./sources.js";
import { recalled, state } from "./state.js";

addEventListener("error", (event) => fail(event.message));
addEventListener("unhandledrejection", (event) => fail(event.reason?.message ?? String(event.reason)));

async function begin() {
  Object.assign(state, await readList(), recalled(location.hash));
  listen();
  await choose({});
}

begin().catch((error) => fail(error.message));
