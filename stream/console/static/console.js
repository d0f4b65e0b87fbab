// What makes the pages live. Without it they are whole, and stand still.
"use strict";

const GATHER_MS = 200; // changes within this time are one look
const TYPING_MS = 250;
const ARRIVED_MAX = 10; // more rows at once are another choice: to show that they are new only takes time
const REST_MS = document.getElementById("customer") ? 3000 : 0; // of one customer's past, brokers read much
const link = document.getElementById("link");
const choices = document.getElementById("choices");
const seen = new WeakMap(); // what the server said last, before its times became the reader's
let looking = false;
let lookAgain = false;

document.documentElement.classList.add("live");

// Made once: making one takes longer than writing a hundred times with it.
const WHEN = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const AGO = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });

function ago(moment) {
  const hours = (moment - Date.now()) / 3_600_000;
  return Math.abs(hours) < 48 ? AGO.format(Math.round(hours), "hour") : AGO.format(Math.round(hours / 24), "day");
}

// What is marked as a moment, in the reader's zone.
const MOMENTS = {
  "time[datetime]": (time) => {
    const moment = new Date(time.dateTime);
    time.title = time.dateTime;
    if (!Number.isNaN(moment.valueOf())) time.textContent = WHEN.format(moment);
  },
  "[data-day]": (text) => (text.textContent = DAY.format(new Date(text.dataset.day))),
  "[data-since]": (text) => (text.textContent = ago(new Date(text.dataset.since))),
  "[data-at]": (text) => {
    const { at, utc } = text.dataset;
    text.textContent = text.textContent.replace(utc, WHEN.format(new Date(at)));
  },
};

function localTimes(root) {
  for (const [marked, write] of Object.entries(MOMENTS)) {
    if (root instanceof Element && root.matches(marked)) write(root);
    for (const one of root.querySelectorAll(marked)) write(one);
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
    if (seen.get(old) === text) return; // where somebody is reading, or scrolling: focus stays, too
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
    localTimes(row);
    return row;
  });
  const arrived = wanted.filter((row) => !known.has(row.id));
  if (known.size && arrived.length <= ARRIVED_MAX) for (const row of arrived) row.classList.add("new");
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
    setTimeout(rested, REST_MS);
  }
}

function rested() {
  looking = false;
  if (lookAgain) {
    lookAgain = false;
    setTimeout(look, GATHER_MS);
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
