// The buttons for a picture and for the microphone, and what is pasted or dropped. Knows files and devices; what becomes of them, its owner says.

import { element, sign } from "./elements.js";
import { Deaf, recording } from "./microphone.js";
import { fitting } from "./picture.js";

const SHORTEST_S = 3;
const SPARE_S = 2; // that a recording may be longer than what is listened to, to begin and to end

/**
 * The buttons that the server's settings call for.
 * show: told of a file, its kind ("image" or "audio") and words for it; complain: told in words why there is none; wordy: whether the buttons bear words.
 */
export function showing({ takes, most_bytes: bytes }, { show, complain, wordy }) {
  const heard = element("span", { class: "hidden", role: "status" });
  const buttons = [];
  if (takes.image) buttons.push(...pictures());
  if (takes.audio) buttons.push(...microphone());
  if (takes.audio) buttons.push(heard);
  return { buttons, listen, hide: (hidden) => buttons.forEach((button) => button.classList.toggle("away", hidden)) };

  /** From now on take what is pasted into `place`, or dropped on it. */
  function listen(place) {
    place.addEventListener("paste", (event) => {
      // What is copied from a document is a text, and a picture of it.
      if (!event.clipboardData?.types.includes("text/plain")) take(event, event.clipboardData);
    });
    place.addEventListener("drop", (event) => {
      place.classList.remove("over");
      take(event, event.dataTransfer);
    });
    place.addEventListener("dragover", (event) => {
      if (![...event.dataTransfer.items].some(({ kind, type }) => kind === "file" && takes[kindOf(type)])) return;
      event.preventDefault();
      place.classList.add("over");
    });
    place.addEventListener("dragleave", (event) => {
      if (!place.contains(event.relatedTarget)) place.classList.remove("over");
    });
  }

  function take(event, data) {
    const files = [...(data?.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    for (const file of files) offer(file);
  }

  async function offer(file) {
    const kind = kindOf(file.type);
    if (!takes[kind]) complain("I cannot do anything with a file of this kind.");
    else if (kind === "audio") show(file, kind, named("Sound", file));
    else {
      const fit = await fitting(file, takes.image, bytes);
      if (fit) show(fit, kind, named("Picture", file));
      else complain("I cannot read this picture: it is damaged, or of a kind that I do not know.");
    }
  }

  function pictures() {
    const input = element("input", { type: "file", accept: takes.image.types.join(","), multiple: true, hidden: true, tabindex: "-1" });
    const button = made("Show a picture", "picture");
    button.addEventListener("click", () => input.click());
    input.addEventListener("change", () => {
      for (const file of input.files) offer(file);
      input.value = "";
    });
    return [input, button];
  }

  function microphone() {
    const { seconds, most } = takes.audio;
    const longest = Math.min(most, Math.max(SHORTEST_S, seconds + SPARE_S));
    const button = made("Record a sound", "microphone");
    const time = element("span", { class: "time", role: "timer", hidden: true });
    let running = null;
    let clock = null;
    button.addEventListener("click", () => (running ? stop() : start()));
    return wordy ? [button, time] : [time, button];

    async function start() {
      button.disabled = true;
      try {
        running = await recording();
      } catch (error) {
        if (!(error instanceof Deaf)) throw error;
        complain(error.message);
        return;
      } finally {
        button.disabled = false;
        button.focus();
      }
      const since = performance.now();
      turn("Stop recording", "stop", true);
      heard.textContent = `Recording for up to ${Math.round(longest)} seconds`;
      tick();
      clock = setInterval(tick, 100);

      function tick() {
        const left = Math.max(0, longest - (performance.now() - since) / 1000);
        time.textContent = `${left.toFixed(1)} s`;
        if (!left) stop();
      }
    }

    async function stop() {
      const ended = running;
      if (!ended) return;
      running = null;
      clearInterval(clock);
      turn("Record a sound", "microphone", false);
      heard.textContent = "Recorded";
      try {
        show(await ended.stop(), "audio", "Recording");
      } catch (error) {
        if (!(error instanceof Deaf)) throw error;
        complain(error.message);
      }
    }

    function turn(words, name, on) {
      button.replaceChildren(...inside(words, name));
      if (!wordy) button.setAttribute("aria-label", words);
      button.title = words;
      button.classList.toggle("on", on);
      time.hidden = !on;
    }
  }

  function made(words, name) {
    return element("button", { type: "button", class: wordy ? "show wordy" : "show", title: words, "aria-label": wordy ? null : words }, ...inside(words, name));
  }

  function inside(words, name) {
    return wordy ? [sign(name), element("span", {}, words)] : [sign(name)];
  }
}

/** What was shown, beside the answer; words in its place where this page may not show it. */
export function shown(file, kind, words) {
  const source = URL.createObjectURL(file);
  const made = kind === "image"
    ? element("img", { class: "shown", src: source, alt: words })
    : element("audio", { class: "shown", src: source, controls: true, "aria-label": words });
  made.addEventListener("error", () => made.replaceWith(element("p", {}, words)), { once: true });
  return made;
}

/** What nobody sees any more takes no memory. */
export function forgotten(place) {
  for (const one of place.querySelectorAll(".shown")) URL.revokeObjectURL(one.src);
}

function kindOf(type) {
  return type.split("/")[0];
}

function named(what, file) {
  // What is pasted is called image.png by every browser.
  return file.name && file.name !== "image.png" ? `${what} ${file.name}` : what;
}
