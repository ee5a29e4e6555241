// The figures of a server, second by second. Knows what each figure is called and drawn as; it asks once a second, and not at all when nobody looks.

import { lines } from "./charts.js";
import { element } from "./elements.js";
import { service } from "./service.js";

const EVERY_MS = 1000;
const server = service(new URL("..", import.meta.url));
const state = document.querySelector("#state");
const pause = document.querySelector("#pause");
const ask = document.querySelector("#ask");
const whole = (n) => Math.round(n).toLocaleString("en");
const time = (ms) => (ms === null ? "–" : ms < 10 ? `${ms.toFixed(ms < 1 ? 2 : 1)} ms` : `${whole(ms)} ms`);
const share = (n) => (n === null ? "–" : `${(100 * n).toFixed(n > 0 && n < 0.1 ? 1 : 0)} %`);

const CARDS = [
  {
    title: "Answers a second", kinds: ["first"], filled: true, unit: whole,
    series: (d) => [d.rate], figures: ({ now }) => [["", whole(now.rate)]],
  },
  {
    title: "Time of an answer", kinds: ["first", "second", "third"], floor: 0.1, unit: time,
    series: (d) => [d.p50_ms, d.p95_ms, d.p99_ms], figures: ({ now }) => [["p50", time(now.p50_ms)], ["p95", time(now.p95_ms)], ["p99", time(now.p99_ms)]],
  },
  {
    title: "Waiting", kinds: ["first"], filled: true, unit: whole,
    series: (d) => [d.queue], figures: ({ now }) => [["", whole(now.queue)]],
  },
  {
    title: "Answered by the teacher", kinds: ["second"], filled: true, floor: 0.1, unit: share,
    series: (d) => [d.teacher_share], figures: ({ now }) => [["", share(now.teacher_share)]],
  },
].map(card);

const rows = element("tbody");
const nothing = element("p", { class: "nothing" }, "No answer in the last two minutes");
const totals = element("dl", { class: "totals" });
document.querySelector("main").append(
  ...CARDS.map((c) => c.section),
  element(
    "section", { class: "wide", "aria-labelledby": "intents" },
    element("h2", { id: "intents" }, "Most frequent intents"),
    element("table", {}, element("thead", { class: "hidden" }, element("tr", {}, ...["Intent", "Share", "Answers"].map((t) => element("th", { scope: "col" }, t)))), rows),
    nothing,
    totals,
  ),
);

let timer = null;
let asking = false;
let key = null;
ask.addEventListener("submit", (event) => {
  event.preventDefault();
  key = ask.querySelector("input").value.trim();
  document.querySelector("main").hidden = false;
  say("Asking with this key", "");
  follow();
});
pause.addEventListener("click", () => {
  const paused = pause.getAttribute("aria-pressed") !== "true";
  pause.setAttribute("aria-pressed", String(paused));
  pause.textContent = paused ? "Go on" : "Pause";
  follow();
});
document.addEventListener("visibilitychange", follow);
follow();

/** Ask from now on, or stop, as the button and the window say. */
function follow() {
  clearInterval(timer);
  timer = null;
  if (pause.getAttribute("aria-pressed") === "true") say("Paused", "paused");
  else if (!document.hidden) {
    timer = setInterval(look, EVERY_MS);
    look();
  }
}

async function look() {
  if (asking) return;
  asking = true;
  try {
    const data = await server.live(key);
    if (timer === null) return;
    ask.hidden = true;
    show(data);
    say("Updated every second", "going");
  } catch (error) {
    if (timer === null) return;
    say(error.message, "failed");
    if (error.key) needKey();
  } finally {
    asking = false;
  }
}

/** Nobody is asked again until there is a key; what stood there is taken away. */
function needKey() {
  clearInterval(timer);
  timer = null;
  key = null;
  ask.hidden = false;
  document.querySelector("main").hidden = true;
  ask.querySelector("input").focus();
}

/** A screen reader hears it when it changes, not every second. */
function say(words, kind) {
  if (state.textContent === words) return;
  state.textContent = words;
  state.className = kind;
}

function show(data) {
  for (const { draw } of CARDS) draw(data);
  const most = Math.max(1, ...data.intents.map(({ count }) => count));
  rows.replaceChildren(...data.intents.map(({ intent, count }) => {
    const bar = element("i", { class: "bar" });
    bar.style.width = `${(100 * count) / most}%`;
    return element("tr", {}, element("th", { scope: "row" }, intent.replaceAll("_", " ")), element("td", { class: "bars", "aria-label": share(count / data.answers) }, bar), element("td", { class: "number" }, whole(count)));
  }));
  nothing.hidden = data.intents.length > 0;
  const figures = [["Answers since the start", whole(data.total.answers)], ["To the teacher", whole(data.total.teacher)], ["To a person", whole(data.total.person)], ["Refused", whole(data.total.refused)]];
  totals.replaceChildren(...figures.map(([term, value]) => element("div", {}, element("dt", {}, term), element("dd", {}, value))));
}

function card({ title, kinds, filled = false, floor = 1, unit, series, figures }) {
  const chart = lines({ name: title, classes: kinds, filled, floor });
  const now = element("p", { class: "now" });
  const top = element("p", { class: "top", "aria-hidden": "true" });
  const section = element(
    "section", {},
    element("h2", {}, title),
    now,
    top,
    chart.svg,
    element("p", { class: "axis", "aria-hidden": "true" }, element("span", {}, "2 minutes ago"), element("span", {}, "now")),
  );
  return {
    section,
    draw(data) {
      const said = figures(data);
      now.replaceChildren(...said.map(([name, value], i) => element("span", { class: kinds[i] }, name && element("small", {}, name), element("b", {}, value))));
      top.textContent = `${unit(chart.draw(series(data), said.map(([name, value]) => `${name} ${value}`.trim()).join(", ")))}`;
    },
  };
}
