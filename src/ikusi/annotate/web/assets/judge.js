// Plain forms do everything. This adds keys, patience where the connection is gone, and a picture
// that opens in place. A key or click counts once per item, and only when the picture has been there
// for a moment: the second half of a double click must not answer the next item.
"use strict";

const MOMENT = 400;
const RETRY = 1500;
const KEPT = "unsent " + location.pathname.split("/").slice(0, 3).join("/");
let ready = 0;
let sending = false;
let began = 0;
let looked = 0;

const form = () => document.querySelector("form[data-judge]");
const notice = (text) => {
  const place = document.getElementById("notice");
  place.textContent = text || "";
  place.hidden = !text;
};

function begin() {
  sending = false;
  ready = Infinity;
  looked = 0;
  began = document.hidden ? 0 : performance.now();
  const picture = document.querySelector("figure img");
  const start = () => { ready = performance.now() + MOMENT; };
  if (!picture || (picture.complete && picture.naturalWidth)) start();
  else {
    picture.addEventListener("load", start);
    picture.addEventListener("error", () => notice(document.body.dataset.noPicture));
  }
  const next = form()?.dataset.next;
  if (next) new Image().src = next;
  form()?.addEventListener("change", follow);
  follow();
}

// Only the time in which somebody could look counts.
document.addEventListener("visibilitychange", () => {
  if (document.hidden && began) { looked += performance.now() - began; began = 0; }
  else if (!document.hidden && !began) began = performance.now();
});
const seconds = () => ((looked + (began ? performance.now() - began : 0)) / 1000).toFixed(1);

// What follows from the points: the first that is not a tie.
function follow() {
  const output = form()?.querySelector(".follows");
  if (!output) return;
  const own = form().querySelector("[name=verdict]:checked");
  let chosen = own && own.value !== "follows" ? own : null;
  for (const point of chosen ? [] : form().querySelectorAll(".criterion")) {
    chosen = point.querySelector("input:checked");
    if (!chosen || chosen.value !== "tie") break;
  }
  output.textContent = chosen ? chosen.parentElement.querySelector("span").firstChild.textContent.trim() : "";
}

document.addEventListener("submit", (event) => {
  const sent = event.target;
  if (!sent.matches("[data-judge], .write, .last form")) return;
  event.preventDefault();
  if (sending || (sent.matches("[data-judge]") && performance.now() < ready)) return;
  if (sent.elements.seconds) sent.elements.seconds.value = seconds();
  const body = new URLSearchParams(new FormData(sent, event.submitter)).toString();
  send({ url: sent.action, body });
});

// Until the server has answered, an answer is kept here too: a phone may be put away meanwhile.
async function send(unsent) {
  sending = true;
  keep(JSON.stringify(unsent));
  for (;;) {
    try {
      const headers = { "Content-Type": "application/x-www-form-urlencoded" };
      const answer = await fetch(unsent.url, { method: "POST", body: unsent.body, headers });
      if (answer.status < 500) {
        const page = await answer.text();
        keep(null);
        notice("");
        return show(page, answer.url);
      }
    } catch { /* no connection */ }
    notice(document.body.dataset.waiting);
    await new Promise((done) => setTimeout(done, RETRY));
  }
}

function keep(text) {
  try {
    if (text === null) localStorage.removeItem(KEPT);
    else localStorage.setItem(KEPT, text);
  } catch { /* a browser that keeps nothing */ }
}

function show(page, url) {
  const next = new DOMParser().parseFromString(page, "text/html");
  document.title = next.title;
  document.documentElement.lang = next.documentElement.lang;
  document.body.replaceWith(document.adoptNode(next.body));
  history.pushState(null, "", url);
  scrollTo(0, 0);
  document.querySelector("h1")?.focus();
  begin();
}

// A letter by its sign; where a keyboard has other letters, by its place.
function pressed(event) {
  if (/^[a-z0-9]$/i.test(event.key)) return event.key.toLowerCase();
  if (event.key === "Enter") return "Enter";
  const place = /^(?:Key|Digit|Numpad)([A-Z0-9])$/.exec(event.code);
  return place ? place[1].toLowerCase() : "";
}

document.addEventListener("keydown", (event) => {
  if (event.repeat || event.isComposing || event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.target.closest("textarea, select, input:not([type=radio], [type=checkbox]), dialog")) return;
  const key = pressed(event);
  if (!key || !form() || sending) return;
  if (key === "Enter" && event.target.closest("button, a, summary")) return;
  const target = key === "Enter" ? main() : keyed(key);
  if (!target) return;
  event.preventDefault();
  if (performance.now() < ready) return;
  if (target.type === "radio") ready = performance.now() + MOMENT;
  target.click();
  if (target.matches("summary")) target.parentElement.querySelector("textarea, input")?.focus();
});

const visible = (element) => element.checkVisibility ? element.checkVisibility() : element.offsetParent;
const main = () => document.querySelector(".panel[open] > button") || document.querySelector("[data-key=Enter]");

function keyed(key) {
  const all = [...document.querySelectorAll(`[data-key="${key}"]`)].filter(visible);
  if (all.length && all[0].type === "radio") {
    const open = all.find((one) => !one.closest(".criterion").querySelector(":checked"));
    return open || all[all.length - 1];
  }
  const open = document.querySelector(".panel[open]");
  if (open && all[0]?.matches(".actions > button")) return null;
  if (open && all[0]?.parentElement === open) return open.querySelector(":scope > button");
  return all[0];
}

// What is too large to be sent is said before it is sent.
document.addEventListener("change", (event) => {
  const sent = event.target.files?.[0];
  const { most, large } = event.target.form?.dataset ?? {};
  if (!most) return;
  const much = sent?.size > Number(most);
  if (much) event.target.value = "";
  notice(much ? large : "");
});

// The picture, whole and then in all its pixels.
document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-zoom]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const dialog = document.createElement("dialog");
  const picture = document.createElement("img");
  picture.src = link.dataset.zoom;
  picture.alt = link.querySelector("img").alt;
  picture.addEventListener("click", () => dialog.classList.toggle("close"));
  const close = document.createElement("button");
  close.textContent = "✕";
  close.setAttribute("aria-label", link.getAttribute("aria-label"));
  close.addEventListener("click", () => dialog.close());
  dialog.append(picture, close);
  dialog.setAttribute("aria-label", picture.alt);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("keydown", (pressedIn) => { if (pressed(pressedIn) === "z") dialog.close(); });
  link.closest("main").append(dialog);
  dialog.showModal();
});

window.addEventListener("popstate", () => location.reload());
window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
begin();
try {
  const unsent = localStorage.getItem(KEPT);
  if (unsent) send(JSON.parse(unsent));
} catch { /* a browser that keeps nothing */ }
