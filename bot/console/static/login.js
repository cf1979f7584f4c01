// Sign in; or, with a one-time link, choose a password. The link's token stands after the #, so no server logs it.

const $ = (id) => document.getElementById(id);
const setup = location.pathname.endsWith("/setup");
const token = location.hash.slice(1);
let words = {};
let refusal = "";

async function speak(language) {
  words = await (await fetch(`/console/words/${language}.json`)).json();
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  document.cookie = `psyllm_console_language=${language}; path=/console; samesite=strict; max-age=31536000`;
  for (const each of document.querySelectorAll("[data-word]")) each.textContent = words[each.dataset.word];
  for (const each of document.querySelectorAll("[data-language]")) {
    each.setAttribute("aria-pressed", String(each.dataset.language === language));
  }
  document.title = words.title;
  $("heading").textContent = words[setup ? "setup_title" : "sign_in"];
  $("submit").textContent = words[setup ? "set_password" : "sign_in"];
  refuse(refusal);
}

function refuse(key) {
  refusal = key;
  $("refusal").textContent = words[key] ?? "";
  $("refusal").hidden = !key;
}

async function submit(event) {
  event.preventDefault();
  refuse("");
  $("submit").disabled = true;
  const password = $("password").value;
  const form = setup ? { token, password } : { name: $("name").value, password, code: $("code").value };
  try {
    const { error } = await post(setup ? "setup" : "login", form);
    if (error === "code_needed" && $("code-row").hidden) askForCode();
    else if (error) refuse(error);
    else location.replace("/console/");
  } finally {
    $("submit").disabled = false;
  }
}

function askForCode() {
  $("code-row").hidden = false;
  $("code").required = true;
  $("code").focus();
}

async function post(path, form) {
  const headers = { "Content-Type": "application/json" };
  const response = await fetch(`/console/${path}`, { method: "POST", headers, body: JSON.stringify(form) }).catch(() => null);
  if (!response) return { error: "connection_lost" };
  const { detail, ...answer } = await response.json().catch(() => ({}));
  return response.ok ? answer : { error: detail in words ? detail : "wrong" };
}

if (setup) {
  $("rule").hidden = false;
  $("name").readOnly = true;
}
$("password").autocomplete = setup ? "new-password" : "current-password";
$("form").addEventListener("submit", submit);
for (const button of document.querySelectorAll("[data-language]")) {
  button.addEventListener("click", () => speak(button.dataset.language));
}
const chosen = /psyllm_console_language=(zh|en)/.exec(document.cookie)?.[1];
await speak(chosen ?? navigator.languages.map((tag) => tag.slice(0, 2)).find((tag) => tag === "zh" || tag === "en") ?? "en");
if (setup) {
  const { name, error } = await post("invitation", { token });
  $("name").value = name ?? "";
  refuse(error ?? "");
}
// Whoever was quicker than the words keeps the field they are typing in.
if (!$("form").contains(document.activeElement)) (setup ? $("password") : $("name")).focus();
