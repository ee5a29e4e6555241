// A conversation while its tab is open, so that it goes on when the page is loaded anew. Knows what was said; it leaves this browser in no way.

const MOST = 100;

/** What was said so far in this tab. Where a browser keeps nothing, it is forgotten with the page. */
export function memory(name) {
  let kept = read(name) ?? fresh();
  return {
    get conversation() { return kept.conversation; },
    get handedOver() { return kept.handedOver; },
    get said() { return kept.said; },
    keep(entry) {
      kept.said = [...kept.said, entry].slice(-MOST);
      write(name, kept);
    },
    /** From now on with a person, or with the model again. */
    hand(toAPerson) {
      kept.handedOver = toAPerson;
      write(name, kept);
    },
    forget() {
      kept = fresh();
      write(name, kept);
    },
  };
}

function fresh() {
  // crypto.randomUUID exists on secure origins only, and a shop may try this on a plain one.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return { conversation: [...bytes].map((b) => b.toString(16).padStart(2, "0")).join(""), handedOver: false, said: [] };
}

function read(name) {
  try {
    const found = JSON.parse(sessionStorage.getItem(name));
    return typeof found?.conversation === "string" && Array.isArray(found.said) ? found : null;
  } catch {
    return null;
  }
}

function write(name, kept) {
  try {
    sessionStorage.setItem(name, JSON.stringify(kept));
  } catch {
    // A browser that keeps nothing, or no more.
  }
}
