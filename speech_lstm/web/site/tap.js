// In the browser's audio thread: passes the blocks of the microphone on.

registerProcessor("tap", class extends AudioWorkletProcessor {
  process([[block]]) {
    if (block) this.port.postMessage(block.slice());
    return true;
  }
});
