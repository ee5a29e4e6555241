// A conversation between a customer and the shop, in a page or in a widget. Knows what is said and shown; knows no addresses and no page around it.

import { element, sign } from "./elements.js";
import { memory } from "./memory.js";
import { Trouble } from "./service.js";
import { forgotten, shown as shownFile, showing } from "./showing.js";

const WRITING_AFTER_MS = 250;
const MODELS = { student: "small model", teacher: "large model", person: "a colleague" };

/**
 * Build the conversation into `place`.
 * server: what `service` makes; settings: what the server says of the shop; heading: the name of the heading's element;
 * close: what the closing button and Escape do, where there is something to close.
 */
export function conversation(place, { server, settings, heading = "h1", close = null }) {
  const kept = memory("limbeck-conversation");
  const log = element("div", { class: "log", role: "log", "aria-label": "Conversation", tabindex: "0" });
  const { takes } = settings;
  const files = showing(settings, { show, complain, wordy: !takes.text });
  const box = element("textarea", {
    id: "say", rows: "1", placeholder: "Write a message", autocomplete: "off", enterkeyhint: "send", "aria-describedby": "keys",
  });
  const words = takes.text ? [element("label", { class: "hidden", for: "say" }, "Your message"), box] : [];
  const form = element(
    "form", { class: takes.text ? "write" : "write wordless" },
    ...words,
    ...files.buttons,
    takes.text && element("button", { class: "send", "aria-label": "Send" }, sign("send")),
  );
  const first = takes.text ? box : form.querySelector("button");
  const state = element("p", { class: "state" });
  const person = element("button", { type: "button", class: "person" }, sign("person"), element("span"));
  const chat = element(
    "section", { class: "chat", "aria-label": settings.name },
    element(
      "header", {},
      element("span", { class: "mark" }, sign("flask")),
      element("div", { class: "who" }, element(heading, {}, settings.name), state),
      person,
      element("button", { type: "button", class: "quiet again", "aria-label": "Start a new conversation", title: "Start a new conversation" }, sign("again")),
      close && element("button", { type: "button", class: "quiet", "aria-label": "Close the conversation", title: "Close" }, sign("close")),
    ),
    log,
    form,
    element(
      "p", { class: "small" },
      takes.text && element("span", { id: "keys" }, "Enter sends, Shift+Enter starts a new line. "),
      takes.image && element("span", { class: "drops" }, "Pictures can be dropped here. "),
      element("span", {}, "A model answers, and it can be wrong."),
    ),
  );
  let waiting = Promise.resolve();

  showState();
  showAll();
  place.append(chat);
  toEnd("instant");
  if (takes.image || takes.audio) files.listen(chat);

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = box.value.trim();
    if (!text) return;
    box.value = "";
    grow();
    send(text);
  });
  box.addEventListener("keydown", (event) => {
    // The Enter that ends a word of an input method sends nothing.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  box.addEventListener("input", grow);
  person.addEventListener("click", () => (kept.handedOver ? backToTheModel() : inTurn(askForAPerson)));
  chat.querySelector(".again").addEventListener("click", () => {
    kept.forget();
    forgotten(log);
    showState();
    log.replaceChildren();
    showAll();
    first.focus();
  });
  if (close) {
    chat.querySelector("header").lastChild.addEventListener("click", close);
    chat.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !event.isComposing) close();
    });
  }
  return { focus: () => first.focus({ preventScroll: true }) };

  // --- what is said ---------------------------------------------------------------------------------------

  function send(text) {
    log.querySelector(".examples")?.remove();
    const row = add(said("customer", text));
    inTurn(() => deliver(text, row));
  }

  function show(file, kind, words) {
    log.querySelector(".examples")?.remove();
    const one = shownFile(file, kind, words);
    one.addEventListener("load", () => toEnd()); // only now is it known how high a picture is
    const row = add(said("customer", words, null, one));
    inTurn(() => deliverFile(file, words, row));
  }

  async function deliverFile(file, words, row) {
    const found = await attempt(() => server.show(file), { again: () => inTurn(() => deliverFile(file, words, row)), row });
    if (found === null) return;
    kept.keep({ who: "customer", text: words });
    await answeredWith(found, "Label");
  }

  /** One message after the other, so that answers stand in the order of the questions. */
  function inTurn(act) {
    waiting = waiting.then(act);
  }

  async function deliver(text, row) {
    const withAPerson = kept.handedOver && settings.person;
    const found = await attempt(
      () => (withAPerson ? server.person([{ who: "customer", text }], kept.conversation) : server.say(text, kept.conversation)),
      { again: () => inTurn(() => deliver(text, row)), edit: () => edit(text, row), row },
    );
    if (found === null) return;
    kept.keep({ who: "customer", text });
    if (withAPerson) {
      row.append(element("p", { class: "facts" }, "Passed on to a colleague"));
      toEnd();
      return;
    }
    await answeredWith(found, "Intent");
  }

  async function answeredWith(found, what) {
    keep({ who: "shop", text: found.reply, facts: { ...found, what } });
    if (found.hand_over && !kept.handedOver) await askForAPerson(false);
    else if (found.abstain && !kept.handedOver && !person.hidden) offerAPerson();
  }

  async function askForAPerson(aloud = true) {
    const found = await attempt(() => server.person(kept.said.slice(-20).map(({ who, text }) => ({ who, text })), kept.conversation), {
      again: () => inTurn(() => askForAPerson(aloud)),
    });
    if (found === null) return;
    log.querySelector(".examples")?.remove();
    log.querySelector(".offer")?.remove();
    kept.hand(true);
    showState();
    keep({ who: "note", text: "You asked for a person" });
    if (aloud) keep({ who: "shop", text: found.reply });
    if (!settings.person) keep({ who: "note", text: "Nobody is connected to this server yet, so the model goes on answering" });
  }

  function backToTheModel() {
    kept.hand(false);
    showState();
    keep({ who: "note", text: "You are back with the assistant" });
    first.focus();
  }

  /** What `act` gives, or null where it failed and the conversation says so. */
  async function attempt(act, { again, edit = null, row = null }) {
    const dots = element("div", { class: "row shop dots", "aria-hidden": "true" }, element("p", {}, element("i"), element("i"), element("i")));
    const slow = setTimeout(() => add(dots), WRITING_AFTER_MS);
    try {
      return await act();
    } catch (error) {
      if (!(error instanceof Trouble)) throw error;
      row?.classList.add("unsent");
      trouble(error, { again, edit, row });
      return null;
    } finally {
      clearTimeout(slow);
      dots.remove();
    }
  }

  function complain(words) {
    add(element("div", { class: "row trouble", role: "alert" }, element("p", {}, words)));
  }

  function trouble(error, { again, edit, row }) {
    if (!error.retry && !edit && row) {
      complain(error.message);
      return;
    }
    const words = error.retry || !edit ? "Try again" : "Edit the message";
    const button = element("button", { type: "button" }, words);
    const notice = add(element("div", { class: "row trouble" }, element("p", {}, error.message), button));
    if (error.after) {
      button.disabled = true;
      setTimeout(() => { button.disabled = false; }, error.after * 1000);
    }
    button.addEventListener("click", () => {
      notice.remove();
      row?.classList.remove("unsent");
      first.focus();
      if (error.retry || !edit) again();
      else edit();
    });
  }

  function edit(text, row) {
    row.remove();
    box.value = text;
    grow();
  }

  // --- what is shown --------------------------------------------------------------------------------------

  function keep(entry) {
    kept.keep(entry);
    add(shown(entry));
  }

  function add(row) {
    log.append(row);
    toEnd();
    return row;
  }

  function showAll() {
    log.append(said("shop", settings.greeting), ...kept.said.map(shown));
    if (kept.said.length || !settings.examples.length || !takes.text) return;
    const examples = element("div", { class: "examples", role: "group", "aria-label": "Examples" });
    for (const text of settings.examples) {
      const button = element("button", { type: "button" }, text);
      button.addEventListener("click", () => {
        send(text);
        box.focus();
      });
      examples.append(button);
    }
    log.append(examples);
  }

  function showState() {
    const handed = kept.handedOver;
    state.textContent = handed && settings.person ? "A colleague has been asked" : "Answers at once";
    chat.classList.toggle("handed", handed);
    person.hidden = !settings.person && (handed || !takes.text);
    files.hide(handed && settings.person && takes.text); // a colleague is told in words
    person.lastChild.textContent = handed ? "Back to the assistant" : "Talk to a person";
  }

  function offerAPerson() {
    log.querySelector(".offer")?.remove();
    const button = element("button", { type: "button" }, "Talk to a person");
    const offer = element("div", { class: "offer" }, button);
    button.addEventListener("click", () => {
      first.focus();
      inTurn(askForAPerson);
    });
    add(offer);
  }

  /** The box is as high as its text, up to a limit that the style sheet holds. */
  function grow() {
    box.style.height = "auto";
    box.style.height = `${box.scrollHeight}px`;
  }

  function toEnd(behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "instant" : "smooth") {
    log.scrollTo({ top: log.scrollHeight, behavior });
  }
}

function shown(entry) {
  return entry.who === "note" ? element("p", { class: "note" }, element("span", {}, entry.text)) : said(entry.who, entry.text, entry.facts);
}

function said(who, text, facts, file = null) {
  return element(
    "div", { class: `row ${who}` },
    element("span", { class: "hidden" }, who === "customer" ? "You: " : "Assistant: "),
    file ?? element("p", {}, text),
    facts && factsOf(facts),
  );
}

/** What was understood, how surely, how fast and by whom: a line for who wants to know. */
function factsOf({ intent, what = "Intent", confidence, milliseconds, answered_by: by, abstain }) {
  const name = intent.replaceAll("_", " ");
  const pairs = [
    [what, abstain ? `perhaps ${name}` : name],
    ["Confidence", confidence > 0.99 ? "over 99 %" : `${Math.round(confidence * 100)} %`],
    ["Time", `${milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds)} ms`],
    ["Answered by", MODELS[by] ?? by],
  ];
  const list = element("dl", { class: "facts" });
  for (const [term, value] of pairs) list.append(element("div", {}, element("dt", { class: "hidden" }, term), element("dd", {}, value)));
  return list;
}
