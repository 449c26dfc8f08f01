// The page: updates come in twenty times a second, each panel draws what is its own.
import { Connection } from "./net.js";
import { $, duration, keep, make, say } from "./dom.js";
import { Traces } from "./signal.js";
import { Head } from "./head.js";
import { Persons } from "./persons.js";
import { Drives } from "./drives.js";
import { Roll } from "./roll.js";
import { Play } from "./play.js";
import { Calibrate } from "./calibrate.js";
import { Banner } from "./banner.js";
import { troubles } from "./troubles.js";
import { keys } from "./keys.js";
import { log, timing } from "./timing.js";

const QUIET = new Set(["route", "gain", "target"]); // turned like knobs: only what is wrong is told

let fixed = null, dirty = false, link = "connecting", state = "waiting", overview = null;
const connection = new Connection({ update, answer, state: connected, ask });
const send = (command, ...args) => connection.send(command, ...args) || (toast("Not connected: nothing was done.", false), false);
const traces = new Traces(), head = new Head(), drives = new Drives(send), roll = new Roll(), play = new Play(send), calibrate = new Calibrate(send);
const persons = new Persons((who) => connection.tell({ watch: who }), shown);
const told = new Banner(ask);
window.brainmusic = { traces, roll, play, drives, persons, connection, get state() { return state; }, get link() { return link; } }; // for the curious, and for tests

function update(message) {
  switch (message.k) {
    case "fixed":
      fixed = message;
      say($("name"), message.name);
      document.title = message.name;
      play.fixed(message);
      log(message.log, true);
      break;
    case "sheet":
      shown(message); drives.sheet(message, fixed); play.sheet(message);
      break;
    case "now":
      if (message.l) log(message.l);
      if (message.p) traces.take(message.p);
      if (message.t !== undefined) {
        if (message.s !== state) { state = message.s; banner(); }
        say($("clock"), duration(message.t));
        drives.take(message.f, message.c);
        roll.take(message);
        $("words").hidden = !message.w;
        say($("words"), message.w ?? "");
      }
      dirty = true;
      break;
    case "calibration": calibrate.take(message); break;
    case "person":
      if (message.who !== persons.who) break;
      if (message.p) traces.take(message.p);
      if (message.f) drives.own(persons.states?.[persons.who] === "lost" ? new Map() : persons.features(message.f)); // gone: nobody is at 0.5
      break;
    case "shares": drives.explain(message.x); break;
    case "overview":
      overview = message;
      play.take(message);
      persons.overview(message);
      calibrate.overview(message);
      timing(message);
      say($("source"), message.source ?? "");
      if (message.quality) {
        const [quality, faults] = persons.own(message.quality, message.faults);
        head.take(quality, faults, persons.states?.[persons.who] ?? message.state);
        traces.quality = quality.map(([, value]) => value);
      }
      banner();
  }
}

function shown(sheet) {
  const own = persons.sheet(sheet);
  traces.sheet(own, persons.who);
  head.sheet(own);
  drives.own(new Map());
  dirty = true;
}

function banner() {
  const standing = link === "open" ? state : "offline";
  say($("state"), standing);
  $("state").dataset.state = standing;
  told.show(troubles(link, state, overview, persons));
}

function connected(how) {
  link = how;
  if (how !== "open") play.away();
  banner();
}

function ask() { if (!$("ask").open) $("ask").showModal(); }

function answer(message) {
  play.answered(message);
  if (!message.ok && (!message.command || message.command === "route")) drives.refused();
  if (message.ok && QUIET.has(message.command)) return;
  toast(message.text, message.ok);
}

function toast(text, ok = true) {
  text = text.slice(0, 300);
  [...$("toasts").children].find((other) => other.textContent === text)?.remove(); // once is enough
  const element = make("div", { class: ok ? "toast" : "toast no" }, text);
  $("toasts").append(element);
  while ($("toasts").childElementCount > 4) $("toasts").firstElementChild.remove();
  setTimeout(() => element.remove(), ok ? 3500 : 8000);
}

function theme() {
  const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  keep("theme", next);
  document.documentElement.dataset.theme = next;
}

$("theme").addEventListener("click", theme);
$("ask-form").addEventListener("submit", () => connection.take($("token").value.trim()));
keys(play, send, theme, persons);

(function paint() {
  if (dirty && !document.hidden) { dirty = false; traces.draw(); drives.draw(); roll.draw(); }
  requestAnimationFrame(paint);
})();
