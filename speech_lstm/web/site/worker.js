// The worker of the page: one answer for each message.

import { work } from "./work.js";

addEventListener("message", ({ data: { number, ...message } }) => {
  try {
    postMessage({ number, result: work(message) });
  } catch (error) {
    postMessage({ number, failure: error.message });
  }
});
