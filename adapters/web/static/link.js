// The line to the server: one WebSocket that is opened again whenever it breaks, and what is not acknowledged yet.
// Unacknowledged texts lie in localStorage under an id of their own; sent again with the same id, they count once.

const PREFIX = "psyllm.unsent.";
const ACK_MS = 15_000; // no acknowledgement for so long: the connection is dead, however open it looks
const SILENCE_MS = 50_000; // the server says something every 20 seconds
const LONGEST_WAIT_MS = 15_000;

export class Link {
  /** `on` holds the callbacks: state(online), lines(list), reset(), ready(), ack(id, messageId), refused(id, code),
   *  stuck(id), typing(), draft(text). `known()` gives the ids of the newest lines shown, `language()` the page's. */
  constructor(on, known, language) {
    this.on = on;
    this.known = known;
    this.language = language;
    this.socket = null;
    this.online = false;
    this.failures = 0;
    this.heard = 0;
    this.timers = new Map(); // id -> timer of the acknowledgement, or of the next attempt
    addEventListener("online", () => this.reopen());
    document.addEventListener("visibilitychange", () => document.hidden || this.check());
    setInterval(() => this.check(), 5_000);
  }

  /** What is not acknowledged yet, oldest first. */
  unsent() {
    const keys = Object.keys(localStorage).filter((key) => key.startsWith(PREFIX));
    return keys.map((key) => JSON.parse(localStorage.getItem(key))).sort((a, b) => a.at - b.at);
  }

  /** Keep an item {id, text or action, label?, quiet?} until it is acknowledged, and send it. */
  send(item) {
    localStorage.setItem(PREFIX + item.id, JSON.stringify({ ...item, at: Date.now() }));
    if (this.online) this.transmit(item);
    else this.reopen();
  }

  retry(id) {
    const item = this.unsent().find((each) => each.id === id);
    if (item && this.online) this.transmit(item);
    else this.reopen();
  }

  open() {
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`);
    this.socket = socket;
    this.heard = Date.now();
    socket.onopen = () => this.write({ type: "hello", known: this.known(), language: this.language() });
    socket.onmessage = (event) => this.take(JSON.parse(event.data));
    socket.onclose = () => this.socket === socket && this.closed();
  }

  closed() {
    this.socket = null;
    this.setOnline(false);
    for (const timer of this.timers.values()) clearTimeout(timer);
    this.timers.clear();
    this.failures += 1;
    const wait = Math.min(LONGEST_WAIT_MS, 250 * 2 ** this.failures) * (0.5 + Math.random() / 2);
    this.reopening = setTimeout(() => this.again(), wait);
  }

  async again() {
    this.reopening = null;
    // The page itself sets the cookie that the connection needs; it may have expired or been cleared.
    if (this.failures > 1) await fetch("/", { cache: "no-store" }).catch(() => null);
    if (!this.socket) this.open();
  }

  /** Do not wait for the next attempt. */
  reopen() {
    if (!this.reopening) return;
    clearTimeout(this.reopening);
    this.again();
  }

  check() {
    if (this.socket && Date.now() - this.heard > SILENCE_MS) this.drop();
    else if (!this.socket) this.reopen();
  }

  drop() {
    const socket = this.socket;
    this.socket = null;
    socket?.close();
    this.closed();
  }

  setOnline(online) {
    this.online = online;
    this.on.state(online);
  }

  write(frame) {
    this.socket?.send(JSON.stringify(frame));
  }

  transmit(item) {
    clearTimeout(this.timers.get(item.id));
    this.timers.set(item.id, setTimeout(() => this.drop(), ACK_MS));
    if (item.action) this.write({ type: "press", id: item.id, action: item.action });
    else this.write({ type: "say", id: item.id, text: item.text });
  }

  done(id) {
    clearTimeout(this.timers.get(id));
    this.timers.delete(id);
    localStorage.removeItem(PREFIX + id);
  }

  take(frame) {
    this.heard = Date.now();
    if (frame.type === "lines") this.on.lines(frame.lines);
    else if (frame.type === "reset") this.on.reset();
    else if (frame.type === "typing") this.on.typing();
    else if (frame.type === "draft") this.on.draft(frame.text);
    else if (frame.type === "error" && frame.id) this.refused(frame);
    else if (frame.type === "ack") {
      this.done(frame.id);
      this.on.ack(frame.id, frame.message_id);
    } else if (frame.type === "ready") {
      this.failures = 0;
      this.on.ready();
      this.setOnline(true);
      for (const item of this.unsent()) this.transmit(item);
    }
  }

  /** What passes is tried again by itself; what the server cannot read waits for the user, or for a newer page. */
  refused({ id, error, retry_after: seconds }) {
    clearTimeout(this.timers.get(id));
    this.timers.delete(id);
    if (error === "empty") {
      this.done(id);
      this.on.refused(id, error);
      return;
    }
    if (error !== "too_fast") this.on.stuck(id);
    if (error === "not_understood") return;
    this.timers.set(id, setTimeout(() => this.retry(id), (seconds ?? 5) * 1000 + 200));
  }
}

/** An id for something the user sends; `crypto.randomUUID` does not exist on plain http. */
export function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
