// What the console asks of the browser: clocks, sound, notifications, theme, language, signing out.

window.psyllm = (() => {
  const settings = window.psyllmSettings;
  const keep = (name, value) => (document.cookie = `${name}=${value}; path=/console; samesite=strict; max-age=31536000`);
  document.documentElement.lang = settings.language;

  // Clocks: how long somebody waits, and times of day in the reader's own zone.

  function waited(since) {
    const seconds = Math.max(0, Math.floor((Date.now() - new Date(since)) / 1000));
    const pad = (number) => String(number).padStart(2, "0");
    const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
    return (hours ? `${hours}:${pad(minutes)}` : minutes) + `:${pad(seconds % 60)}`;
  }

  function tick() {
    for (const clock of document.querySelectorAll("[data-since]")) {
      const text = waited(clock.dataset.since);
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
    const lost = document.querySelector("#popup > :first-child");
    if (lost && lost.textContent !== settings.connectionLost) lost.textContent = settings.connectionLost;
    const sound = document.querySelector("[data-sound]");
    if (sound) showSound(sound);
    const notes = document.querySelector("[data-notifications]");
    if (notes) notes.hidden = !("Notification" in window) || Notification.permission !== "default";
  }

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
  const forgetDraft = () => sessionStorage.removeItem(draftKey());
  addEventListener("click", (event) => event.target.closest?.(".send") && forgetDraft());
  addEventListener("keydown", (event) => event.key === "Enter" && (event.ctrlKey || event.metaKey) && forgetDraft());

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
    toNewest() {
      requestAnimationFrame(() => {
        const log = document.querySelector(".log");
        if (log) log.scrollTop = log.scrollHeight;
      });
    },
  };
})();
