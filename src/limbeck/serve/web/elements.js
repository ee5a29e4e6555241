// Elements and signs, made one by one. Knows the document; knows nothing of conversations. A text goes in as text, never as HTML.

const SVG = "http://www.w3.org/2000/svg";

// Paths in a box of 24.
const SIGNS = {
  send: "M4 12 20 4l-4.5 16-4-6.5z M11.5 13.5 20 4",
  person: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8z M4.5 20.5c.8-4 3.8-6 7.5-6s6.7 2 7.5 6",
  close: "M6 6l12 12 M18 6 6 18",
  talk: "M4 6.5A2.5 2.5 0 0 1 6.5 4h11A2.5 2.5 0 0 1 20 6.5v7a2.5 2.5 0 0 1-2.5 2.5H11l-4.5 4v-4A2.5 2.5 0 0 1 4 13.5z",
  flask: "M9.5 3.5h5 M10.5 3.5v5.5l-5 8.5a2 2 0 0 0 1.7 3h9.600a2 2 0 0 0 1.7-3l-5-8.5V3.5 M7.800 14.5h8.400",
  picture: "M4 6.5A2.5 2.5 0 0 1 6.5 4h11A2.5 2.5 0 0 1 20 6.5v11a2.5 2.5 0 0 1-2.5 2.5h-11A2.5 2.5 0 0 1 4 17.5z M4.5 17l4.5-5 4 4.5 2.5-2.5 4 4 M15.5 9.5a1 1 0 1 0 0-2 1 1 0 0 0 0 2z",
  microphone: "M12 15a3.5 3.5 0 0 0 3.5-3.5v-5a3.5 3.5 0 0 0-7 0v5A3.5 3.5 0 0 0 12 15z M5.5 11.5a6.5 6.5 0 0 0 13 0 M12 18v3",
  stop: "M7 7h10v10H7z",
  again: "M19 12a7 7 0 1 1-2-4.900 M19.5 4v4h-4",
};

/** An element with attributes and children; a child that is a string becomes text. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null) made.setAttribute(key, value);
  }
  for (const child of children) {
    if (typeof child === "string") {
      const text = document.createTextNode("");
      text.textContent = child;
      made.append(text);
    } else if (child) made.append(child);
  }
  return made;
}

/** An element of SVG with attributes and children. */
export function drawn(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** A sign beside words that say the same, so it is hidden from a screen reader. */
export function sign(name) {
  return drawn("svg", { class: "sign", viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" }, drawn("path", { d: SIGNS[name] }));
}
