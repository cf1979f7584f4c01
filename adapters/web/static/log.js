// The conversation on the screen: lines in the order of their ids, what is on its way at the end.

const OVERLAP = 8; // how many of the newest lines the server compares with its own

export class Log {
  /** `on` holds what is called when the user does it: press(action, label), retry(id), rate(action). */
  constructor(list, on) {
    this.list = list;
    this.on = on;
    this.words = {}; // the page's texts
    this.numbers = null;
  }

  /** Take over a language: its words, and the phone numbers that may be dialled from a text. */
  speak(words, numbers, language) {
    this.words = words;
    this.language = language;
    const longestFirst = [...numbers].sort((a, b) => b.length - a.length);
    const pattern = longestFirst.map((number) => number.replace(/\+/g, "\\+").replace(/[\s-]+/g, "[\\s-]?")).join("|");
    this.numbers = pattern ? new RegExp(`(?<![\\d-])(?:${pattern})(?![\\d-])`, "g") : null;
    for (const item of this.list.querySelectorAll(".item")) this.label(item);
    this.separate();
  }

  known() {
    return [...this.list.querySelectorAll("[data-id]")].slice(-OVERLAP).map((item) => Number(item.dataset.id));
  }

  clear() {
    this.list.replaceChildren();
  }

  find(clientId) {
    return this.list.querySelector(`[data-client="${CSS.escape(clientId)}"]`);
  }

  /** Show stored lines. Gives those that were not on the screen yet. */
  add(lines) {
    const fresh = [];
    for (const line of lines) {
      if (this.list.querySelector(`[data-id="${line.id}"]`)) continue;
      const pending = line.client_id && this.find(line.client_id);
      pending?.remove();
      if (!pending) fresh.push(line);
      const item = this.item(line);
      item.dataset.id = line.id;
      this.place(item);
    }
    this.separate();
    return fresh;
  }

  /** Show what the user has just sent, before the server has it. */
  addPending({ id, text, label, at }) {
    if (this.find(id)) return;
    const item = this.item({ author: "user", text: label ?? text, at: new Date(at ?? Date.now()), client_id: id });
    item.dataset.state = "sending";
    this.label(item);
    this.list.append(item);
    this.separate();
  }

  /** `state` is sending, sent, failed (tried again by itself or by a click) or refused. */
  mark(clientId, state, reason = "") {
    const item = this.find(clientId);
    if (!item) return;
    item.dataset.state = state;
    item.dataset.reason = reason;
    this.label(item);
  }

  acknowledge(clientId, messageId) {
    const item = this.find(clientId);
    if (!item || item.dataset.id) return;
    item.dataset.state = "sent";
    item.dataset.order = messageId; // its line comes with the transcript, unless the line is not for showing
    this.label(item);
    this.place(item);
    this.separate();
  }

  place(item) {
    const order = Number(item.dataset.id ?? item.dataset.order);
    const later = [...this.list.querySelectorAll(".item")].reverse();
    let before = null;
    for (const other of later) {
      if (other === item) continue;
      const otherOrder = Number(other.dataset.id ?? other.dataset.order ?? Infinity);
      if (otherOrder < order) break;
      before = other;
    }
    this.list.insertBefore(item, before);
  }

  item(line) {
    const item = document.createElement("li");
    item.className = `item ${line.author}`;
    item.dataset.at = new Date(line.at).toISOString();
    item.dataset.name = line.name ?? "";
    if (line.client_id) item.dataset.client = line.client_id;
    if (line.author === "user") item.dataset.state = "sent";
    const who = element("span", "who");
    const bubble = element("div", "bubble");
    const command = line.author === "user" && /^\/[a-z]+$/.exec(line.text);
    if (command) {
      item.classList.add("command");
      item.dataset.command = command[0];
    } else {
      bubble.append(...this.dialable(line.text, line.author !== "user"));
    }
    item.append(who, bubble);
    if (line.image) bubble.prepend(picture(line.image, line.text));
    for (const row of line.buttons ?? []) item.append(this.buttons(row));
    const foot = element("div", "foot");
    foot.append(element("div", "meta"));
    if (line.thumbs) foot.append(this.thumbs(line.thumbs));
    item.append(foot);
    this.label(item);
    return item;
  }

  /** A thumb up and one down under an answer. The one pressed stays pressed until the other is. */
  thumbs({ helpful, up, down }) {
    const box = element("div", "thumbs");
    box.setAttribute("role", "group");
    for (const [name, value, action] of [["helpful", true, up], ["unhelpful", false, down]]) {
      const button = element("button", name);
      button.type = "button";
      button.append(thumbIcon());
      button.setAttribute("aria-pressed", String(helpful === value));
      button.addEventListener("click", () => this.rate(button, action));
      box.append(button);
    }
    const noted = element("span", "noted");
    noted.setAttribute("role", "status");
    box.append(noted);
    return box;
  }

  rate(pressed, action) {
    if (pressed.getAttribute("aria-pressed") === "true") return;
    for (const each of pressed.parentElement.querySelectorAll("button")) {
      each.setAttribute("aria-pressed", String(each === pressed));
    }
    pressed.parentElement.querySelector(".noted").textContent = this.words["web.noted"];
    this.on.rate(action);
  }

  buttons(row) {
    const box = element("div", "choices");
    for (const { label, action } of row) {
      const button = element("button", "choice", label);
      button.type = "button";
      button.addEventListener("click", () => this.on.press(action, label));
      box.append(button);
    }
    return box;
  }

  /** The words around a line that depend on the language and on its state. */
  label(item) {
    const { words } = this;
    const who = item.querySelector(".who");
    const meta = item.querySelector(".meta");
    if (!meta) return; // the draft
    const time = element("time", "", new Date(item.dataset.at).toLocaleTimeString(this.language, { timeStyle: "short" }));
    time.dateTime = item.dataset.at;
    meta.replaceChildren(time);
    who.className = "who";
    if (item.classList.contains("counsellor")) {
      who.textContent = [item.dataset.name, words["web.counsellor"]].filter(Boolean).join(" · ");
    } else if (item.matches(".bot, .system")) {
      who.textContent = words["web.bot"] ?? "";
      who.classList.add("unseen");
      meta.prepend(element("span", "ai", words[item.matches(".bot") ? "web.ai_label" : "web.bot"]));
    } else if (item.classList.contains("user")) {
      who.textContent = words["web.you"] ?? "";
      who.classList.add("unseen");
      this.labelDelivery(item, meta);
    }
    this.labelThumbs(item.querySelector(".thumbs"));
    const { command } = item.dataset;
    if (command) item.querySelector(".bubble").textContent = words[COMMAND_WORDS[command]] ?? words[`menu.${command.slice(1)}`] ?? command;
  }

  labelThumbs(box) {
    if (!box) return;
    box.setAttribute("aria-label", this.words["web.feedback"]);
    for (const button of box.querySelectorAll("button")) {
      const word = this.words[`web.${button.className}`];
      button.setAttribute("aria-label", word);
      button.title = word;
    }
    const noted = box.querySelector(".noted");
    if (noted.textContent) noted.textContent = this.words["web.noted"];
  }

  labelDelivery(item, meta) {
    const { state, reason, client } = item.dataset;
    if (state === "failed") {
      const button = element("button", "retry", this.words["web.failed"]);
      button.type = "button";
      button.addEventListener("click", () => this.on.retry(client));
      meta.replaceChildren(button);
    } else if (state === "refused") {
      meta.replaceChildren(element("span", "refused", reason));
    } else {
      const tick = element("span", `tick ${state}`);
      if (state === "sent") tick.append(element("span", "unseen", this.words["web.sent"]));
      meta.append(tick);
    }
  }

  /** Numbers of the crisis-line table become links that dial. No other number does. */
  dialable(text, trusted) {
    if (!trusted || !this.numbers) return [text];
    const parts = [];
    let last = 0;
    for (const match of text.matchAll(this.numbers)) {
      const link = element("a", "", match[0]);
      link.href = `tel:${match[0].replace(/[^\d+]/g, "")}`;
      parts.push(text.slice(last, match.index), link);
      last = match.index + match[0].length;
    }
    return [...parts, text.slice(last)];
  }

  /** A heading before the first line of each day. Headings that stay are not touched: a reader would say them again. */
  separate() {
    let previous = "";
    for (const item of this.list.querySelectorAll(".item")) {
      const date = new Date(item.dataset.at);
      const heading = item.previousElementSibling?.matches(".day") ? item.previousElementSibling : null;
      if (date.toDateString() === previous) {
        heading?.remove();
      } else {
        previous = date.toDateString();
        const name = dayName(date, this.language);
        if (!heading) item.before(element("li", "day", name));
        else if (heading.textContent !== name) heading.textContent = name;
      }
    }
    for (const day of this.list.querySelectorAll(".day + .day, .day:last-child")) day.remove();
  }
}

const COMMAND_WORDS = { "/crisis": "web.crisis_button", "/human": "web.human_button", "/forget": "web.delete" };

function dayName(date, language) {
  const midnight = (day) => new Date(day.getFullYear(), day.getMonth(), day.getDate());
  const days = Math.round((midnight(date) - midnight(new Date())) / 86_400_000);
  if (days === 0 || days === -1) return new Intl.RelativeTimeFormat(language, { numeric: "auto" }).format(days, "day");
  return date.toLocaleDateString(language, { month: "long", day: "numeric", weekday: "long" });
}

const SVG = "http://www.w3.org/2000/svg";

function picture(source, words) {
  const image = element("img", "picture");
  image.src = source;
  image.alt = words;
  return image;
}

function thumbIcon() {
  const icon = document.createElementNS(SVG, "svg");
  icon.setAttribute("viewBox", "0 0 24 24");
  icon.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", "M7 11v9H4v-9zm0 0 4-7.5c1.5 0 2.5 1 2.5 2.5V10H19a1.8 1.8 0 0 1 1.8 2.1l-1.1 6.4A1.8 1.8 0 0 1 18 20H7");
  icon.append(path);
  return icon;
}

export function element(tag, className = "", text = "") {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}
