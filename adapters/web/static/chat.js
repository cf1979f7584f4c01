// Puts the page together: words, composer, menu, scrolling.

import { Link, newId } from "./link.js";
import { Log, element } from "./log.js";

const MAX_CHARACTERS = 100_000;
const TYPING_MS = 6_000;
const DRAFT_MS = 30_000;
const LANGUAGES = ["zh", "en"];

const $ = (id) => document.getElementById(id);
const scroller = $("scroller");
const text = $("text");
const send = document.querySelector(".send");

let language = firstLanguage();
let words = {};
let unread = 0;

const log = new Log($("log"), { press, retry: (id) => link.retry(id), rate });
const link = new Link(
  {
    state: showOnline,
    lines: showLines,
    reset: forget,
    ready: () => $("log").setAttribute("aria-live", "polite"),
    ack: (id, messageId) => log.acknowledge(id, messageId),
    refused: (id, code) => log.mark(id, "refused", words[`input.${code}`]),
    stuck: (id) => log.mark(id, "failed"),
    typing: () => showPassing($("typing"), TYPING_MS),
    draft: showDraft,
  },
  () => log.known(),
  () => language,
);

// Words

function firstLanguage() {
  const chosen = localStorage.getItem("psyllm.language");
  if (LANGUAGES.includes(chosen)) return chosen;
  const preferred = navigator.languages.map((tag) => tag.slice(0, 2)).find((tag) => LANGUAGES.includes(tag));
  return preferred ?? "en";
}

async function speak(chosen) {
  const response = await fetch(`/strings/${chosen}.json`);
  if (!response.ok) throw new Error(`strings: ${response.status}`);
  const strings = await response.json();
  ({ words } = strings);
  language = chosen;
  document.documentElement.lang = chosen === "zh" ? "zh-CN" : "en";
  for (const each of document.querySelectorAll("[data-word]")) each.textContent = words[each.dataset.word];
  for (const each of document.querySelectorAll("[data-label]")) each.setAttribute("aria-label", words[each.dataset.label]);
  for (const each of document.querySelectorAll("[data-placeholder]")) each.placeholder = words[each.dataset.placeholder];
  for (const each of document.querySelectorAll("[data-language]")) {
    each.setAttribute("aria-pressed", String(each.dataset.language === chosen));
  }
  $("lines").querySelector("ul").replaceChildren(...strings.lines.map(crisisLine));
  log.speak(words, strings.numbers, chosen);
  showTitle();
  showOnline(link.online);
}

function crisisLine({ name, number, hours }) {
  const row = element("li");
  const dial = element("a", "", number);
  dial.href = `tel:${number.replace(/[^\d+]/g, "")}`;
  row.append(element("span", "name", name), dial, element("span", "hours", hours));
  return row;
}

function tooLong() {
  return words["input.too_long"].replace("{limit}", MAX_CHARACTERS.toLocaleString(language));
}

for (const button of document.querySelectorAll("[data-language]")) {
  button.addEventListener("click", () => {
    localStorage.setItem("psyllm.language", button.dataset.language);
    speakSoon(button.dataset.language);
  });
}

// The conversation

function showLines(lines) {
  const follow = atBottom();
  const fresh = log.add(lines).filter((line) => line.author !== "user");
  if (fresh.length) hidePassing();
  settle(follow, fresh.length);
}

function forget() {
  log.clear();
  hidePassing();
  $("lines").hidden = true;
  showUnsent();
}

function showUnsent() {
  for (const item of link.unsent()) if (!item.quiet) log.addPending(item);
}

function say(written) {
  transmit({ id: newId(), text: written });
}

function press(action, label) {
  transmit({ id: newId(), action, label });
}

/** A thumb is kept until it is stored, as a text is, but is no part of the talk. */
function rate(action) {
  link.send({ id: newId(), action, quiet: true });
}

function transmit(item) {
  log.addPending(item);
  link.send(item);
  toBottom();
}

for (const button of document.querySelectorAll("[data-command]")) {
  button.addEventListener("click", () => {
    closeMenu();
    say(button.dataset.command);
    if (button.dataset.command === "/crisis") showNumbersUnlessAnswered();
  });
}

// A person in danger must see the numbers even if the server cannot be reached.
function showNumbersUnlessAnswered() {
  const show = () => {
    if (!link.unsent().some((item) => item.text === "/crisis")) return;
    $("lines").hidden = false;
    toBottom();
  };
  if (link.online) setTimeout(show, 3_000);
  else show();
}

// What passes: the connection, typing, a draft

let waiting = null;

function showOnline(online) {
  clearTimeout(waiting);
  if (online) {
    $("offline").hidden = true;
    return;
  }
  waiting = setTimeout(() => {
    $("offline").textContent = words["web.offline"] ?? "";
    $("offline").hidden = false;
  }, 1_500); // a short break is not worth a word
}

const hiding = new Map();

function showPassing(shown, milliseconds) {
  const follow = atBottom();
  shown.hidden = false;
  if ($("draft").hidden) $("typing-status").textContent = words["web.typing"] ?? "";
  else $("typing").hidden = true;
  clearTimeout(hiding.get(shown));
  hiding.set(shown, setTimeout(hidePassing, milliseconds));
  settle(follow, 0);
}

function showDraft(written) {
  $("draft").querySelector(".bubble").textContent = written;
  showPassing($("draft"), DRAFT_MS);
}

function hidePassing() {
  for (const timer of hiding.values()) clearTimeout(timer);
  $("draft").hidden = true;
  $("typing").hidden = true;
  $("typing-status").textContent = "";
}

// Scrolling

function atBottom() {
  return scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 60;
}

function toBottom() {
  scroller.scrollTop = scroller.scrollHeight;
  $("newer").hidden = true;
}

function settle(follow, fresh) {
  if (document.hidden) unread += fresh;
  showTitle();
  if (follow) toBottom();
  else if (fresh) $("newer").hidden = false;
}

function showTitle() {
  document.title = (unread ? `(${unread}) ` : "") + (words["web.title"] ?? "");
}

scroller.addEventListener("scroll", () => atBottom() && ($("newer").hidden = true), { passive: true });
$("newer").addEventListener("click", toBottom);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) unread = 0;
  showTitle();
});
const resized = new ResizeObserver(() => wasAtBottom && toBottom());
resized.observe(scroller); // the keyboard of a phone opens
resized.observe($("log")); // a picture has loaded
let wasAtBottom = true;
let lastTop = 0;
scroller.addEventListener("scroll", () => {
  wasAtBottom = atBottom() || (wasAtBottom && scroller.scrollTop >= lastTop); // only going up leaves the bottom
  lastTop = scroller.scrollTop;
}, { passive: true });

// The composer

function grow() {
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight}px`;
  send.disabled = !text.value.trim();
  $("refusal").hidden = true;
}

/** Half of a surrogate pair, as a torn paste leaves it, becomes a replacement character. */
function wellFormed(written) {
  return new TextDecoder().decode(new TextEncoder().encode(written));
}

text.addEventListener("input", grow);
text.addEventListener("keydown", (event) => {
  const composing = event.isComposing || event.keyCode === 229; // Enter chooses a word in an input method
  const touch = matchMedia("(pointer: coarse)").matches;
  if (event.key === "Enter" && !event.shiftKey && !composing && !touch) {
    event.preventDefault();
    $("composer").requestSubmit();
  }
});
$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const written = wellFormed(text.value.trim());
  if (!written) return;
  if ([...written].length > MAX_CHARACTERS) {
    $("refusal").textContent = tooLong();
    $("refusal").hidden = false;
    return;
  }
  text.value = "";
  grow();
  say(written);
  text.focus();
});

// The menu

function closeMenu() {
  $("menu").hidden = true;
  $("menu-button").setAttribute("aria-expanded", "false");
}

$("menu-button").addEventListener("click", () => {
  const open = $("menu").hidden;
  $("menu").hidden = !open;
  $("menu-button").setAttribute("aria-expanded", String(open));
  if (open) $("menu").querySelector("button").focus();
});
document.addEventListener("click", (event) => event.target.closest(".menu") || closeMenu());
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !$("menu").hidden) {
    closeMenu();
    $("menu-button").focus();
  }
});

async function speakSoon(chosen) {
  for (;;) {
    try {
      return await speak(chosen);
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 2_000));
    }
  }
}

await speakSoon(language);
showUnsent();
link.open();
if (matchMedia("(pointer: fine)").matches) text.focus();
