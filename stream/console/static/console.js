// What makes the pages live. Without it they are whole, and stand still.
"use strict";

const GATHER_MS = 200; // changes within this time are one look
const TYPING_MS = 250;
const link = document.getElementById("link");
const choices = document.getElementById("choices");
const seen = new WeakMap(); // what the server said last, before its times became the reader's
let looking = false;
let lookAgain = false;

document.documentElement.classList.add("live");

function localTimes(root) {
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  const times = [...root.querySelectorAll("time[datetime]")];
  for (const time of root instanceof HTMLTimeElement ? [root, ...times] : times) {
    const moment = new Date(time.dateTime);
    time.title = time.dateTime;
    if (!Number.isNaN(moment.valueOf())) time.textContent = format.format(moment);
  }
}

// A choice keeps what is chosen: new counts are no new choice.
function renewChoice(old, fresh) {
  const chosen = old.value;
  const same = old.length === fresh.length && [...fresh.options].every((one, at) => one.value === old[at].value);
  if (same) [...fresh.options].forEach((one, at) => (old[at].text = one.text));
  else {
    old.replaceChildren(...fresh.options);
    old.value = chosen;
  }
}

// Rows are kept where nothing of them has changed, so that focus and a selection stay.
function renew(old, fresh) {
  if (old instanceof HTMLSelectElement) {
    renewChoice(old, fresh);
    return;
  }
  const rows = old.querySelector(":scope > table > tbody");
  const freshRows = fresh.querySelector(":scope > table > tbody");
  if (!rows || !freshRows) {
    const text = fresh.innerHTML;
    if (seen.get(old) === text) return; // where somebody is reading, or scrolling
    seen.set(old, text);
    old.replaceChildren(...fresh.childNodes);
    localTimes(old);
    return;
  }
  const focused = document.activeElement?.closest("tr")?.id;
  const known = new Map([...rows.rows].map((row) => [row.id, row]));
  const wanted = [...freshRows.rows].map((row) => {
    const before = known.get(row.id);
    if (before && before.dataset.seen === row.outerHTML) return before;
    row.dataset.seen = row.outerHTML;
    if (!before && known.size) row.classList.add("new");
    localTimes(row);
    return row;
  });
  rows.replaceChildren(...wanted);
  if (focused && !old.contains(document.activeElement)) {
    document.getElementById(focused)?.querySelector("a")?.focus({ preventScroll: true });
  }
  const table = rows.closest("table");
  const freshTable = freshRows.closest("table");
  const inFront = [...fresh.childNodes];
  const at = inFront.indexOf(freshTable);
  const before = [...old.childNodes];
  before.slice(0, before.indexOf(table)).forEach((node) => node.remove());
  before.slice(before.indexOf(table) + 1).forEach((node) => node.remove());
  for (const node of inFront) if (node !== freshTable && node instanceof Element) localTimes(node);
  table.before(...inFront.slice(0, at));
  table.after(...inFront.slice(at + 1));
}

async function look(address = location.href) {
  if (looking) {
    lookAgain = true;
    return;
  }
  looking = true;
  try {
    const answer = await fetch(address, { headers: { Accept: "text/html" }, redirect: "follow" });
    if (new URL(answer.url).pathname === "/login" && location.pathname !== "/login") {
      location.reload();
      return;
    }
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const old of document.querySelectorAll("[data-live]")) {
      const found = fresh.getElementById(old.id);
      if (found && old !== document.activeElement) renew(old, found);
    }
  } catch {
    // the line to the server is gone: its own handler says so
  } finally {
    looking = false;
    if (lookAgain) {
      lookAgain = false;
      setTimeout(look, GATHER_MS);
    }
  }
}

function listen() {
  const source = new EventSource("/live");
  let told = false;
  source.addEventListener("changed", () => {
    link.textContent = "live";
    link.className = "";
    if (told && !document.hidden) look();
    told = true;
  });
  source.onerror = () => {
    link.textContent = "not connected: this is how it was";
    link.className = "lost";
  };
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) look();
  });
}

function choose() {
  const asked = new URLSearchParams();
  for (const [name, value] of new FormData(choices)) if (value) asked.append(name, value);
  const address = asked.size ? `/?${asked}` : "/";
  history.replaceState(null, "", address);
  look();
}

const steady = document.querySelector("[data-every]"); // what changes without a word
if (steady) {
  setInterval(() => {
    if (!document.hidden) look();
  }, steady.dataset.every * 1000);
}
for (const row of document.querySelectorAll("[data-live] tbody tr")) row.dataset.seen = row.outerHTML;
for (const one of document.querySelectorAll("[data-live]")) {
  if (!one.querySelector(":scope > table")) seen.set(one, one.innerHTML);
}
localTimes(document);
if (link) listen();
if (choices) {
  let typing;
  choices.addEventListener("input", (event) => {
    clearTimeout(typing);
    typing = setTimeout(choose, event.target.type === "search" ? TYPING_MS : 0);
  });
  choices.addEventListener("submit", (event) => {
    event.preventDefault();
    choose();
  });
}
