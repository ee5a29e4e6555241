// Small drawings of figures over time, as SVG. Knows numbers and their scale; knows nothing of what they count. A gap is a null.

import { drawn } from "./elements.js";

const WIDTH = 320;
const HEIGHT = 96;

/** A drawing of lines over the same seconds, each an array of numbers or nulls. floor: the least upper end of the scale; filled: below the first line. */
export function lines({ name, classes, filled = false, floor = 1 }) {
  const paths = classes.map((kind) => drawn("path", { class: `line ${kind}`, "vector-effect": "non-scaling-stroke" }));
  const area = drawn("path", { class: `area ${classes[0]}` });
  const svg = drawn(
    "svg", { class: "chart", role: "img", "aria-label": name, viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none" },
    ...(filled ? [area] : []), ...paths,
  );
  return {
    svg,
    /** says: the same in words; returns the upper end of the scale. */
    draw(series, says) {
      const most = scale(Math.max(floor, ...series.flat().filter((v) => v !== null)));
      series.forEach((values, i) => paths[i].setAttribute("d", line(values, most)));
      if (filled) area.setAttribute("d", below(series[0], most));
      svg.setAttribute("aria-label", `${name}: ${says}`);
      return most;
    },
  };
}

/** The next round number: 1, 2, 5, 10, 20 … */
export function scale(value) {
  const unit = 10 ** Math.floor(Math.log10(value));
  return unit * [1, 2, 5, 10].find((step) => step * unit >= value * (1 - 1e-9));
}

function place(values, most) {
  const step = WIDTH / Math.max(values.length - 1, 1);
  return values.map((v, i) => (v === null ? null : [i * step, HEIGHT - 2 - (Math.min(v / most, 1) * (HEIGHT - 6))]));
}

function line(values, most) {
  let pen = "M";
  let path = "";
  for (const point of place(values, most)) {
    if (point === null) pen = "M";
    else {
      path += `${pen}${point[0].toFixed(1)} ${point[1].toFixed(1)}`;
      // A lone second is a dot: a line to itself.
      if (pen === "M") path += `L${point[0].toFixed(1)} ${point[1].toFixed(1)}`;
      pen = "L";
    }
  }
  return path;
}

function below(values, most) {
  return `${line(values.map((v) => v ?? 0), most)}L${WIDTH} ${HEIGHT}L0 ${HEIGHT}Z`;
}
