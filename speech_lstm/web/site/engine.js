// Who computes: a worker, or this page itself where a page of one file may not have a worker.

import { work } from "./work.js";

/** Asks a worker; `ask` returns a promise of the result. */
export class WorkerEngine {
  constructor(address) {
    this.worker = new Worker(address, { type: "module" });
    this.waiting = new Map();
    this.number = 0;
    this.worker.onmessage = ({ data: { number, result, failure } }) => {
      const { resolve, reject } = this.waiting.get(number);
      this.waiting.delete(number);
      failure === undefined ? resolve(result) : reject(new Error(failure));
    };
    this.worker.onerror = (event) => { throw new Error(event.message || "the worker did not start"); };
  }

  ask(message) {
    return new Promise((resolve, reject) => {
      this.number += 1;
      this.waiting.set(this.number, { resolve, reject });
      this.worker.postMessage({ number: this.number, ...message });
    });
  }
}

/** Computes here, between events. */
export class LocalEngine {
  async ask(message) {
    await new Promise((resolve) => { setTimeout(resolve); });
    return work(message);
  }
}
