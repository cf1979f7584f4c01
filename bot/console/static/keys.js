// One key for each common act. A key presses the first visible element that names it: <button data-key="c">.
// Keys sleep while somebody types, and can be switched off.

(() => {
  const on = () => localStorage.getItem("psyllm.keys") !== "off";
  const typing = (element) => element.closest?.("input, textarea, select, [contenteditable=true]");
  const visible = (element) => element.getClientRects().length > 0 && !element.disabled;

  addEventListener("keydown", (event) => {
    if (!on() || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || typing(event.target)) return;
    if (document.querySelector(".q-dialog .sheet, .q-menu")) return; // a form is open; Esc closes it
    const act = { j: () => step(1), k: () => step(-1) }[event.key] ?? pressed(event.key);
    if (!act) return;
    event.preventDefault();
    act();
  });

  function pressed(key) {
    const named = [...document.querySelectorAll(`[data-key="${CSS.escape(key)}"]`)];
    let target = named.find(visible);
    if (!target && named[0]?.closest(".file")) { // in the case file, which is hidden on narrow screens
      psyllm.toggleFile();
      target = named.find(visible);
    }
    return target && (() => use(target));
  }

  function use(target) {
    const field = target.matches("input, textarea") ? target : target.querySelector("input, textarea");
    if (field) return field.focus();
    target.click();
    if (target.dataset.then) focusWhenThere(target.dataset.then, 120);
  }

  function focusWhenThere(selector, frames) { // a field that the press brings up, unless another took the focus meanwhile
    const field = document.querySelector(selector);
    if (field && visible(field)) field.focus();
    else if (frames && !typing(document.activeElement)) requestAnimationFrame(() => focusWhenThere(selector, frames - 1));
  }

  function step(way) {
    const links = [...document.querySelectorAll(".card a.danger")];
    const all = links.some(visible) ? links.filter(visible) : links;
    const here = all.findIndex((link) => link === document.activeElement || link.closest(".current"));
    const next = all[Math.min(Math.max(here + way, 0), all.length - 1)];
    if (!next) return;
    if (document.querySelector(".desk:not(.only-queue)")) next.click();
    else next.focus();
  }

  function show() {
    for (const button of document.querySelectorAll("[data-shortcuts]")) button.setAttribute("aria-pressed", String(on()));
  }

  addEventListener("DOMContentLoaded", () => {
    psyllm.toggleShortcuts = () => {
      localStorage.setItem("psyllm.keys", on() ? "off" : "on");
      show();
    };
    new MutationObserver(show).observe(document.body, { childList: true, subtree: true });
  });
})();
