// A recording as a wav file. Knows microphones, samples and rates, and says in words why there is none; knows no server and no elements.

const REFUSED = {
  NotAllowedError: "This page may not use your microphone. Allow it in your browser, at the sign beside the address, and try again.",
  NotFoundError: "I found no microphone on this device.",
  NotReadableError: "Another program seems to be using the microphone. Close it and try again.",
};

/** Why nothing could be recorded, in words for whoever tried. */
export class Deaf extends Error {}

/**
 * Begin to record; `stop` ends it and gives a wav file (a Blob) at the microphone's own rate: the server changes it by the bundle's formula, where a
 * browser would leave out samples without a filter, and fold what lies above half of the new rate into speech.
 */
export async function recording() {
  if (!navigator.mediaDevices) throw new Deaf("Browsers let a page listen only over a secure connection, and this one is not. Whoever runs this server can change that.");
  const stream = await microphone();
  const context = new AudioContext();
  const pieces = [];
  try {
    await context.audioWorklet.addModule(new URL("tape.js", import.meta.url));
    const tape = new AudioWorkletNode(context, "tape");
    tape.port.onmessage = ({ data }) => pieces.push(data);
    // What is connected to nothing is not run; a tape plays silence.
    context.createMediaStreamSource(stream).connect(tape).connect(context.destination);
    await context.resume();
  } catch {
    end();
    throw new Deaf("This browser cannot record here.");
  }
  return {
    async stop() {
      end();
      return wav(joined(pieces), context.sampleRate);
    },
  };

  function end() {
    for (const track of stream.getTracks()) track.stop();
    context.close();
  }
}

async function microphone() {
  try {
    // As it is: what a browser does to make voices clear, no training clip has gone through.
    return await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false } });
  } catch (error) {
    throw new Deaf(REFUSED[error.name] ?? "The microphone could not be used.");
  }
}

function joined(pieces) {
  const samples = new Float32Array(pieces.reduce((count, piece) => count + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    samples.set(piece, at);
    at += piece.length;
  }
  if (!at) throw new Deaf("I heard nothing. Hold on a moment longer before you stop.");
  return samples;
}

/** A wav file of 16 bits, one channel. */
function wav(samples, rate) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const word = (at, text) => [...text].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  word(0, "RIFF");
  view.setUint32(4, 36 + 2 * samples.length, true);
  word(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  word(36, "data");
  view.setUint32(40, 2 * samples.length, true);
  samples.forEach((sample, i) => view.setInt16(44 + 2 * i, Math.max(-1, Math.min(1, sample)) * 32767, true));
  return new Blob([view], { type: "audio/wav" });
}
