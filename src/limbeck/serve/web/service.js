// The server as functions. Knows its addresses, and says in words what went wrong; knows no elements.

const PATIENCE_MS = 20_000;

/** What went wrong, in words for whoever is writing. after: seconds until another try can succeed; retry: whether one can; key: whether a key is missing. */
export class Trouble extends Error {
  constructor(words, { after = 0, retry = true, key = false } = {}) {
    super(words);
    this.name = "Trouble";
    this.after = after;
    this.retry = retry;
    this.key = key;
  }
}

/** The server whose pages lie at `base` (an URL that ends with a slash). */
export function service(base) {
  let most = null;
  return {
    async settings() {
      const found = await ask("chat/settings");
      most = found.most_characters;
      return found;
    },
    say: (text, conversation) => ask("chat/message", { text, conversation }),
    /** file: a Blob with a picture or a clip. */
    show: (file) => ask("chat/message", file),
    person: (said, conversation) => ask("chat/person", { said, conversation }),
    /** key: for a server that shows its figures to some only. */
    live: (key) => ask("live/data", undefined, key ? { Authorization: `Bearer ${key}` } : {}),
  };

  async function ask(path, body, headers = {}) {
    const file = body instanceof Blob;
    const how = body === undefined
      ? { headers }
      : { method: "POST", headers: { "Content-Type": file ? body.type : "application/json" }, body: file ? body : JSON.stringify(body) };
    let answer;
    let content;
    try {
      answer = await fetch(new URL(path, base), {
        ...how, cache: "no-store", credentials: "omit", redirect: "error", signal: AbortSignal.timeout(PATIENCE_MS),
      });
      content = await answer.json().catch(() => null);
    } catch (error) {
      if (error.name === "TimeoutError") throw new Trouble("That took too long, so I stopped waiting. Your message is not lost.");
      throw new Trouble("I cannot reach the server at the moment. Your message is not lost: try again when you are connected.");
    }
    if (answer.ok && content !== null) return content;
    throw (file && aboutFile(answer.status)) || trouble(answer, content, most);
  }
}

/** What a server says of a file, in words; null where it says the same of any message. */
function aboutFile(status) {
  if (status === 413) return new Trouble("This is too large for me. Please send a smaller one.", { retry: false });
  if (status === 415 || status === 422) return new Trouble("I cannot read this: it is damaged, or of a kind that I do not know.", { retry: false });
  return null;
}

function trouble(answer, content, most) {
  const seconds = Math.min(Math.max(Math.ceil(Number(answer.headers.get("Retry-After"))) || 0, 0), 600);
  const wait = seconds ? ` Please try again in ${seconds === 1 ? "a second" : `${seconds} seconds`}.` : " Please try again in a moment.";
  switch (answer.status) {
    case 401:
    case 403:
      return new Trouble("This server answers only holders of its key", { retry: false, key: true });
    case 413:
      return new Trouble(`This message is too long for me: I can read ${most?.toLocaleString("en") ?? "fewer"} characters at once. Please shorten it.`, { retry: false });
    case 429:
      return new Trouble(`Many people are writing to us right now.${wait}`, { after: seconds || 1 });
    case 503:
      return new Trouble(`${content?.error?.code === "nobody_there" ? "I cannot reach a colleague at the moment." : "I am not ready yet."}${wait}`, { after: seconds });
    default:
      if (answer.status >= 500) return new Trouble("Something went wrong on our side. Please try again.", { after: seconds });
      return new Trouble(`The server did not take this message (${answer.status}).`, { retry: false });
  }
}
