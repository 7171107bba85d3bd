// The desk by keyboard: one letter a verdict, j and k through the queue, a lease that is kept while one reads.

const script = document.currentScript;
const typing = (target) => target.closest("input, textarea, select, [contenteditable]") !== null;
const rightTitle = document.getElementById("right-title");

function move(step) {
  const links = [...document.querySelectorAll("[data-queue] a")];
  if (!links.length) return;
  const at = links.indexOf(document.activeElement);
  const current = links.findIndex((link) => link.hasAttribute("aria-current"));
  const from = at >= 0 ? at : current;
  links[Math.min(links.length - 1, Math.max(0, from + step))].focus();
}

function wantsTitle(button) {
  // The first press asks for the title, the next one sends it.
  if (!rightTitle || !button.hasAttribute("data-needs-title") || !rightTitle.hidden) return false;
  rightTitle.hidden = false;
  button.setAttribute("aria-expanded", "true");
  document.getElementById("q").focus();
  return true;
}

for (const button of document.querySelectorAll("[data-needs-title]")) {
  button.addEventListener("click", (event) => { if (wantsTitle(button)) event.preventDefault(); });
}
for (const button of document.querySelectorAll("[data-open]")) {
  button.addEventListener("click", () => document.getElementById(button.dataset.open).showModal());
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.key === "Escape" && typing(event.target)) { event.target.blur(); return; }
  if (event.key === "Enter" && event.target.id === "q") {
    event.preventDefault();
    document.querySelector("[data-needs-title]").click();
    return;
  }
  if (event.key === "Enter" && event.target.matches("#verdict input")) { event.preventDefault(); return; }  // a note is no verdict
  if (typing(event.target)) return;
  if (event.key === "j" || event.key === "k") { event.preventDefault(); move(event.key === "j" ? 1 : -1); return; }
  if (event.key === "?") { document.getElementById("help").showModal(); return; }
  const button = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
  if (button) { event.preventDefault(); button.click(); }
});

const lease = document.getElementById("lease");
let until = lease ? Date.parse(lease.dataset.leaseUntil) : 0;

function lost(text) {
  lease.dataset.state = "off";
  lease.textContent = text;
  for (const button of document.querySelectorAll("[form=verdict]")) button.disabled = true;
}

async function renew() {
  const body = new URLSearchParams({ lease_token: script.dataset.token, csrf_token: script.dataset.csrf });
  try {
    const answer = await fetch(script.dataset.renew, { method: "POST", body, headers: { "hx-request": "true" } });
    if (!answer.ok) { lost("no longer yours: take it again"); return; }
    const held = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-lease-until]");
    until = Date.parse(held.dataset.leaseUntil);
  } catch { /* The next round tries again while the lease lasts. */ }
}

function tick() {
  const left = Math.round((until - Date.now()) / 1000);
  if (left <= 0) { lost("no longer yours: take it again"); return; }
  lease.textContent = `yours for ${left} s`;
  setTimeout(tick, 1000);
}

if (lease && script.dataset.renew) {
  tick();
  setInterval(() => { if (lease.dataset.state === "on" && document.visibilityState === "visible") renew(); }, 40_000);
}
