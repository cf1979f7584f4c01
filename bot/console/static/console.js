// What the console asks of the browser: clocks, sound, notifications, theme, language, signing out.

window.psyllm = (() => {
  const settings = window.psyllmSettings;
  const keep = (name, value) => (document.cookie = `${name}=${value}; path=/console; samesite=strict; max-age=31536000`);
  document.documentElement.lang = settings.language;

  // Clocks: how long somebody waits, and times of day in the reader's own zone.

  const ahead = new Date(settings.now) - Date.now(); // of this machine's clock, which may be wrong
  const seconds = (since) => Math.max(0, Math.floor((Date.now() + ahead - new Date(since)) / 1000));

  function written(seconds) {
    const pad = (number) => String(number).padStart(2, "0");
    const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
    return (hours ? `${hours}:${pad(minutes)}` : minutes) + `:${pad(seconds % 60)}`;
  }

  function tick() {
    for (const clock of document.querySelectorAll("[data-since]")) {
      const waited = seconds(clock.dataset.since);
      const text = written(waited);
      clock.classList.toggle("late", waited > Number(clock.dataset.limit ?? Infinity));
      if (clock.textContent !== text) clock.textContent = text; // a change would wake the observer below for ever
    }
  }

  function fill() {
    tick();
    for (const time of document.querySelectorAll("time[data-at]:empty")) {
      const at = new Date(time.dataset.at);
      const today = at.toDateString() === new Date().toDateString();
      time.dateTime = time.dataset.at;
      time.textContent = at.toLocaleString(settings.language, { timeStyle: "short", ...(today ? {} : { dateStyle: "short" }) });
    }
    restoreDraft();
    showCount();
    const lost = document.querySelector("#popup > :first-child");
    if (lost && lost.textContent !== settings.connectionLost) lost.textContent = settings.connectionLost;
    const sound = document.querySelector("[data-sound]");
    if (sound) showSound(sound);
    const notes = document.querySelector("[data-notifications]");
    if (notes) notes.hidden = !("Notification" in window) || Notification.permission !== "default";
  }

  // How many wait stands in the title of the tab; nothing else does.
  function showCount() {
    const waiting = document.querySelector("[data-section=queue] .count")?.textContent ?? "0";
    const title = waiting === "0" ? settings.title : `(${waiting}) ${settings.title}`;
    if (document.title !== title) document.title = title;
  }

  // Whoever reads the newest goes on doing so when the keyboard of a phone comes up or the window changes.
  let atEnd = true;
  document.addEventListener("scroll", ({ target }) => {
    if (target.classList?.contains("log")) atEnd = target.scrollHeight - target.scrollTop - target.clientHeight < 40;
  }, true);
  addEventListener("resize", () => atEnd && window.psyllm.toNewest());

  setInterval(tick, 1000);
  addEventListener("DOMContentLoaded", () => {
    new MutationObserver(fill).observe(document.body, { childList: true, subtree: true });
    fill();
  });

  // What is being written survives a reload, be it the reader's own or after a broken connection.

  const draftKey = () => `psyllm.draft.${location.pathname}`;

  function restoreDraft() {
    const box = document.querySelector(".reply textarea:not([data-restored])");
    if (!box) return;
    box.dataset.restored = "yes";
    const draft = sessionStorage.getItem(draftKey());
    if (!draft || box.value) return;
    box.value = draft;
    box.dispatchEvent(new Event("input", { bubbles: true }));
  }

  addEventListener("input", (event) => {
    if (event.target.closest?.(".reply")) sessionStorage.setItem(draftKey(), event.target.value);
  });
  // Sound: two soft notes, made here.

  let audio = null;
  const soundOn = () => localStorage.getItem("psyllm.sound") !== "off";

  function showSound(button) {
    const label = soundOn() ? settings.soundOff : settings.soundOn;
    if (button.title === label) return;
    button.title = label;
    button.setAttribute("aria-label", label);
    button.classList.toggle("off", !soundOn());
  }

  function play() {
    if (!soundOn()) return;
    audio ??= new AudioContext();
    [660, 880, 660, 880].forEach((pitch, index) => {
      const start = audio.currentTime + index * 0.22;
      const [tone, volume] = [audio.createOscillator(), audio.createGain()];
      tone.frequency.value = pitch;
      volume.gain.setValueAtTime(0.0001, start);
      volume.gain.exponentialRampToValueAtTime(0.25, start + 0.03);
      volume.gain.exponentialRampToValueAtTime(0.0001, start + 0.2);
      tone.connect(volume).connect(audio.destination);
      tone.start(start);
      tone.stop(start + 0.21);
    });
  }

  addEventListener("pointerdown", () => (audio ??= new AudioContext()).resume(), { once: true });

  return {
    alarm(title) {
      document.documentElement.dataset.alarm = title;
      play();
      if (document.hidden && "Notification" in window && Notification.permission === "granted") {
        new Notification(title, { tag: "psyllm", renotify: true, requireInteraction: true }).onclick = () => window.focus();
      }
    },
    toggleSound() {
      localStorage.setItem("psyllm.sound", soundOn() ? "off" : "on");
      fill();
      play();
    },
    allowNotifications() {
      Notification.requestPermission().then(fill);
    },
    toggleTheme() {
      keep("psyllm_console_theme", document.body.classList.contains("body--dark") ? "light" : "dark");
      location.reload();
    },
    speak(language) {
      keep("psyllm_console_language", language);
      location.reload();
    },
    async signOut() {
      await fetch("/console/logout", { method: "POST", body: "{}" });
      location.replace("/console/login");
    },
    forgetDraft() {
      sessionStorage.removeItem(draftKey());
    },
    toReply() { // unless somebody is typing elsewhere
      requestAnimationFrame(() => {
        if (!document.activeElement?.matches("input, textarea")) document.querySelector(".reply textarea")?.focus();
      });
    },
    toggleFile() {
      const root = document.documentElement;
      root.dataset.file = root.dataset.file === "open" ? "" : "open";
      if (atEnd) window.psyllm.toNewest();
    },
    newWhisper() {
      play();
    },
    toNewest() {
      requestAnimationFrame(() => {
        const log = document.querySelector(".log");
        if (log) log.scrollTop = log.scrollHeight;
      });
    },
  };
})();
