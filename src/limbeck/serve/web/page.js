// The chat page: a conversation in the whole window. Knows where it lies; the rest is the conversation's.

import { conversation } from "./conversation.js";
import { element } from "./elements.js";
import { service } from "./service.js";

const place = document.querySelector("main");
const server = service(new URL("..", import.meta.url));

async function begin() {
  let settings;
  try {
    settings = await server.settings();
  } catch (error) {
    const again = element("button", { type: "button" }, "Try again");
    again.addEventListener("click", begin);
    place.replaceChildren(element("div", { class: "failed" }, element("p", { role: "alert" }, error.message), again));
    return;
  }
  document.title = settings.name;
  place.replaceChildren();
  const { focus } = conversation(place, { server, settings });
  // On a phone this would open its keyboard over the greeting.
  if (matchMedia("(pointer: fine)").matches) focus();
}

begin();
