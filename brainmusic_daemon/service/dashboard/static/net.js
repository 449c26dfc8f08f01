// A WebSocket that is there again by itself: updates in, requests out.
const RETRY_MS = [300, 600, 1200, 2500, 5000];
const SILENT_MS = 3000; // updates come twenty times a second: so long without one, and the way is cut

// A phone that was let in stays in when its tab was closed; storage may be blocked: then for this visit only.
const stored = {
  token: "",
  get() { try { return localStorage.getItem("token") || this.token; } catch { return this.token; } },
  set(token) { this.token = token; try { localStorage.setItem("token", token); } catch { /* see above */ } },
  drop() { this.token = ""; try { localStorage.removeItem("token"); } catch { /* see above */ } },
};

export class Connection {
  constructor({ update, answer, state, ask }) {
    Object.assign(this, { update, answer, state, ask });
    this.tries = 0;
    this.number = 0;
    this.heard = performance.now();
    const hash = new URLSearchParams(location.hash.slice(1)).get("token");
    if (hash) {
      stored.set(hash);
      history.replaceState(null, "", location.pathname); // not for those who look over a shoulder
    }
    setInterval(() => this.watch(), 1000);
    addEventListener("online", () => this.open());
    // Timers of a tab in the background come once a minute, and those of a phone in a pocket not at all.
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.open(); });
    this.open();
  }

  open() {
    if (this.socket && this.socket.readyState <= WebSocket.OPEN) return;
    clearTimeout(this.timer);
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`);
    this.socket = socket;
    this.heard = performance.now();
    socket.onopen = () => socket.send(JSON.stringify({ token: stored.get() }));
    socket.onmessage = (event) => {
      this.heard = performance.now();
      const message = JSON.parse(event.data);
      if (message.k === "answer") this.answer(message);
      else {
        if (this.tries !== -1) { this.tries = -1; this.state("open"); }
        this.update(message);
      }
    };
    socket.onclose = (event) => {
      if (socket !== this.socket) return;
      if (event.code === 4401) { stored.drop(); this.state("token"); this.ask(); return; }
      this.lost(event.code === 4429 ? "full" : "lost");
    };
  }

  lost(why) {
    this.tries = Math.min(this.tries + 1, RETRY_MS.length - 1);
    this.state(why);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.open(), RETRY_MS[Math.max(0, this.tries)]);
  }

  watch() {
    if (!this.socket || this.socket.readyState > WebSocket.OPEN || performance.now() - this.heard < SILENT_MS) return;
    const dead = this.socket;
    this.socket = null;
    dead.close();
    this.lost("lost");
  }

  take(token) {
    stored.set(token);
    this.open();
  }

  send(command, ...args) {
    return this.tell({ id: ++this.number, command, arguments: args });
  }

  tell(what) {
    if (!this.socket || this.socket.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(what));
    return true;
  }
}
