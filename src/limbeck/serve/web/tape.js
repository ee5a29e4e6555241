// Takes down what a microphone hears, in the thread of the sound. Knows samples; a page listens at its port.

registerProcessor("tape", class extends AudioWorkletProcessor {
  process([channels]) {
    if (channels.length) this.port.postMessage(channels[0].slice());
    return true;
  }
});
