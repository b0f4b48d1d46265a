// Plain forms do everything. This adds answers that grow while one looks, pictures from the clipboard
// or dropped on the page, a look at the picture that was chosen, and keys.
"use strict";

const LOST_AFTER = 3; // times that a connection may break in a row
const main = () => document.querySelector("main");
const find = (what) => main().querySelector(what);
const notice = (text) => {
  const place = document.getElementById("notice");
  place.textContent = text || "";
  place.hidden = !text;
};

// The answer as it comes: from which letter on it now has which text.
let events = null;
function follow() {
  const { follow: place, before, lost } = main().dataset;
  if (!place) return;
  let broken = 0;
  events = new EventSource(place);
  events.onmessage = (event) => {
    broken = 0;
    notice("");
    const said = JSON.parse(event.data);
    const text = find(`[data-side="${said.side}"]`);
    if (!text) return;
    const waiting = text.parentElement.querySelector("[data-waiting]");
    if ("text" in said) {
      const low = atEnd();
      text.textContent = text.textContent.slice(0, said.at) + said.text;
      waiting.textContent = "";
      if (low) scrollTo(0, document.body.scrollHeight);
    } else if (said.before) waiting.textContent = before.replace("{count}", said.before);
  };
  events.addEventListener("over", over);
  events.onerror = () => {
    broken += 1;
    if (broken >= LOST_AFTER) notice(lost);
  };
}
const atEnd = () => innerHeight + scrollY > document.body.scrollHeight - 120;

// Once all is said, the page as it is then; what somebody is writing stays.
async function over() {
  events.close();
  const low = atEnd();
  const page = new DOMParser().parseFromString(await (await fetch(location.href)).text(), "text/html");
  const before = document.getElementById("question");
  const writing = document.activeElement === before;
  const next = document.adoptNode(page.querySelector("main"));
  main().replaceWith(next);
  const after = document.getElementById("question");
  if (before && after) {
    after.value = before.value;
    after.setSelectionRange(before.selectionStart, before.selectionEnd);
    if (writing) after.focus();
  }
  say(next.dataset.over);
  if (low) scrollTo(0, document.body.scrollHeight);
  begin();
}

// Read out to who cannot see the page.
function say(text) {
  let place = document.getElementById("status");
  if (!place) {
    place = document.createElement("p");
    place.id = "status";
    place.className = "hidden";
    place.setAttribute("role", "status");
    document.body.append(place);
  }
  place.textContent = text || "";
}

function begin() {
  for (const one of document.querySelectorAll("[data-scripts]")) one.hidden = false;
  follow();
}

// A form is sent once; Enter sends a question, with Shift it begins a line.
document.addEventListener("submit", (event) => {
  const stops = event.submitter?.matches(".stop");
  if (stops || event.target.dataset.sent) event.preventDefault();
  if (stops) fetch(event.submitter.formAction, { method: "POST" }).catch(() => notice(main().dataset.lost));
  else event.target.dataset.sent = "yes";
});
document.addEventListener("keydown", (event) => {
  if (event.repeat || event.isComposing || event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.key === "Escape") find("[data-key=Escape]")?.click();
  if (event.target.id === "question") {
    const button = event.target.form.querySelector("button.primary");
    if (event.key !== "Enter" || event.shiftKey || matchMedia("(hover: none)").matches) return;
    event.preventDefault();
    if (button && event.target.value.trim()) button.click();
  } else if (!event.target.closest("textarea, select, input")) {
    find(`[data-key="${event.key}"]:not([data-key=Escape])`)?.click();
  }
});

// One picture: the last that was chosen, pasted or dropped. What is too large is said at once.
function choose(input) {
  const form = input.form;
  const picture = input.files[0];
  const much = picture?.size > Number(form.dataset.most);
  notice(much ? form.dataset.large : "");
  if (much) input.value = "";
  for (const other of form.querySelectorAll("[type=file]")) {
    if (other !== input && picture) other.value = "";
  }
  show(much ? null : picture, form.querySelector("canvas"));
}
async function show(picture, canvas) {
  canvas.hidden = true;
  if (!picture) return;
  try {
    const drawn = await createImageBitmap(picture);
    const scale = Math.min(1, 800 / Math.max(drawn.width, drawn.height));
    canvas.width = Math.max(1, drawn.width * scale);
    canvas.height = Math.max(1, drawn.height * scale);
    canvas.getContext("2d").drawImage(drawn, 0, 0, canvas.width, canvas.height);
    canvas.hidden = false;
  } catch { /* a format that this browser does not draw; the server may read it */ }
}
function put(event, data) {
  const input = document.getElementById("file");
  const picture = [...(data?.files ?? [])].find((one) => one.type.startsWith("image/"));
  if (!input || !picture) return;
  event.preventDefault();
  const held = new DataTransfer();
  held.items.add(picture);
  input.files = held.files;
  choose(input);
}
document.addEventListener("change", (event) => {
  if (event.target.type === "file") choose(event.target);
});
document.addEventListener("paste", (event) => put(event, event.clipboardData));
document.addEventListener("dragover", (event) => {
  if (!document.getElementById("file")) return;
  event.preventDefault();
  document.body.classList.add("dropping");
});
document.addEventListener("dragleave", () => document.body.classList.remove("dropping"));
document.addEventListener("drop", (event) => {
  document.body.classList.remove("dropping");
  put(event, event.dataTransfer);
});

window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
begin();
if (main().matches(".talk")) {
  scrollTo(0, document.body.scrollHeight);
  if (matchMedia("(hover: hover)").matches) document.getElementById("question")?.focus();
}
