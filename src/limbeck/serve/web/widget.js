// One script tag puts a conversation on any page: <script src="https://…/widget.js" async></script>
// A classic script, since only such a one knows where it came from; all else is a module beside it. It leaves one element on the page, with a tree of its own.

(() => {
  const script = document.currentScript;
  if (!script || document.querySelector("limbeck-chat")) return;
  const base = new URL(".", script.src);

  // A sheet made by script needs no leave of the page's Content-Security-Policy, and reaches nothing outside of its tree.
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`
    :host { all: initial; }
    .launch, .panel { position: fixed; z-index: 2147483000; right: max(1.25rem, env(safe-area-inset-right)); bottom: max(1.25rem, env(safe-area-inset-bottom)); }
    .launch { display: grid; place-items: center; width: 3.5rem; height: 3.5rem; padding: 0; border: 0; border-radius: 50%; background: #1c6848; color: #fff; cursor: pointer; box-shadow: 0 .4rem 1.4rem rgb(0 0 0 / .28); }
    .launch:hover { filter: brightness(1.12); }
    .launch:focus-visible { outline: 3px solid #1c6848; outline-offset: 3px; box-shadow: 0 0 0 3px #fff; }
    .launch svg { width: 1.7rem; height: 1.7rem; fill: none; stroke: currentColor; stroke-width: 1.75; stroke-linecap: round; stroke-linejoin: round; }
    .panel { width: 24rem; height: min(38rem, calc(100vh - 2.5rem)); height: min(38rem, calc(100dvh - 2.5rem)); overflow: hidden; container-type: inline-size; border: 1px solid rgb(128 140 132 / .35); border-radius: 1.1rem; box-shadow: 0 1rem 3rem rgb(0 0 0 / .28); }
    [hidden] { display: none; }
    @media (max-width: 30rem) { .panel { inset: 0; width: auto; height: auto; border: 0; border-radius: 0; } }
    @media (prefers-reduced-motion: no-preference) { .panel { animation: open .16s ease-out; } @keyframes open { from { opacity: 0; transform: translateY(.75rem); } } }
  `);

  begin().catch((error) => {
    // The owner of the page reads this; a customer is shown nothing that does not work.
    console.warn(`limbeck: ${base.origin} does not answer this page (${error.message}). Its server must be started with --widget-origin ${location.origin}`);
  });

  async function begin() {
    const { service } = await import(new URL("web/service.js", base));
    const server = service(base);
    const settings = await server.settings();
    const host = document.createElement("limbeck-chat");
    const tree = host.attachShadow({ mode: "open" });
    tree.adoptedStyleSheets = [sheet];

    const launch = document.createElement("button");
    launch.type = "button";
    launch.className = "launch";
    launch.setAttribute("aria-label", `Chat with ${settings.name}`);
    launch.setAttribute("aria-expanded", "false");
    launch.setAttribute("aria-haspopup", "dialog");
    const panel = document.createElement("div");
    panel.className = "panel";
    panel.hidden = true;
    panel.setAttribute("role", "dialog");
    panel.setAttribute("aria-label", `Chat with ${settings.name}`);
    const { sign } = await import(new URL("web/elements.js", base));
    launch.append(sign("talk"));
    tree.append(launch, panel);
    (document.body ?? document.documentElement).append(host);

    let talk = null;
    launch.addEventListener("click", async () => {
      try {
        talk ??= built();
        show(true);
        (await talk).focus();
      } catch (error) {
        talk = null;
        show(false);
        console.warn(`limbeck: the conversation could not be loaded from ${base.origin} (${error.message})`);
      }
    });

    async function built() {
      const [{ conversation }, style] = await Promise.all([
        import(new URL("web/conversation.js", base)),
        fetch(new URL("web/conversation.css", base), { credentials: "omit" }).then((answer) => answer.text()),
      ]);
      const own = new CSSStyleSheet();
      own.replaceSync(style);
      tree.adoptedStyleSheets = [sheet, own];
      return conversation(panel, { server, settings, heading: "h2", close: () => { show(false); launch.focus(); } });
    }

    function show(open) {
      panel.hidden = !open;
      launch.hidden = open;
      launch.setAttribute("aria-expanded", String(open));
    }
  }
})();
