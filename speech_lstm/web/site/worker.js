// The worker of the page: one answer for each message.

import { work } from "./work.js";

addEventListener("message", ({ data: { number, ...message } }) => {
  try {
    const result = work(message), arrays = result?.traces ?? [];  // large ones are handed over, not copied
    postMessage({ number, result }, arrays.map(({ buffer }) => buffer));
  } catch (error) {
    postMessage({ number, failure: error.message });
  }
});
