// The page: updates come in twenty times a second, each panel draws what is its own.
import { Connection } from "./net.js";
import { $, duration, make, say } from "./dom.js";
import { Traces } from "./signal.js";
import { Head } from "./head.js";
import { Persons } from "./persons.js";
import { Drives } from "./drives.js";
import { Roll } from "./roll.js";
import { Play } from "./play.js";
import { Calibrate } from "./calibrate.js";
import { keys } from "./keys.js";
import { log, timing } from "./timing.js";

const BANNERS = {
  lost: ["bad", "The headset is gone", "No samples arrive; the music rests. It returns by itself when the headset does."],
  held: ["warn", "The signal is bad", "The music holds what it played last."],
  resting: ["warn", "The signal stays bad", "The music rests until the electrodes are good again."],
  waiting: ["calm", "Waiting for a headset", ""],
};
const CUT = {
  lost: ["bad", "No connection to the daemon", "The music may well play on. Trying again by itself …"],
  full: ["warn", "Too many pages are open", "Close one of the others; this one tries again by itself."],
  token: ["warn", "A token is needed", ""],
};
const QUIET = new Set(["route", "gain", "rate", "target"]); // turned like knobs: only what is wrong is told

let fixed = null, dirty = false, link = "connecting", state = "waiting", overview = null;
const connection = new Connection({ update, answer, state: connected, ask: () => $("ask").open || $("ask").showModal() });
const send = (command, ...args) => { if (!connection.send(command, ...args)) toast("Not connected: nothing was done.", false); };
const traces = new Traces(), head = new Head(), drives = new Drives(send), roll = new Roll(), play = new Play(send), calibrate = new Calibrate(send);
const persons = new Persons((who) => connection.tell({ watch: who }), shown);
play.rated = (value) => toast(value > 0 ? "You like this: noted." : "You do not like this: noted.");
window.brainmusic = { traces, roll, drives, persons, connection, get state() { return state; }, get link() { return link; } }; // for the curious, and for tests

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
  const missing = link === "open" && !BANNERS[state] ? persons.missing() : null;
  const shown = link === "open" ? BANNERS[state] ?? missing : CUT[link];
  say($("state"), link === "open" ? state : "offline");
  $("state").dataset.state = link === "open" ? state : "offline";
  $("banner").hidden = !shown;
  if (!shown) return;
  const [kind, title, text, whose] = shown;
  $("banner").dataset.kind = kind;
  say($("banner-title"), title);
  const theirs = ([channel]) => !whose || whose.some((who) => channel.startsWith(`${who}.`));
  const faults = Object.entries(overview?.faults ?? {}).filter(theirs).slice(0, 6).map(([channel, why]) => `${channel} ${why}`).join(", ");
  const detail = link !== "open" ? "" : whose || state === "held" || state === "resting" ? faults && `Look at ${faults}.` : missing ? "" : overview?.message ?? "";
  say($("banner-text"), [text, detail].filter(Boolean).join(" "));
}

function connected(how) { link = how; banner(); }

function answer(message) {
  if (message.ok && QUIET.has(message.command)) return;
  toast(message.text, message.ok);
}

function toast(text, ok = true) {
  const element = make("div", { class: ok ? "toast" : "toast no" }, text.slice(0, 300));
  $("toasts").append(element);
  while ($("toasts").childElementCount > 4) $("toasts").firstElementChild.remove();
  setTimeout(() => element.remove(), ok ? 3500 : 8000);
}

function theme() {
  const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  localStorage.setItem("theme", next);
  document.documentElement.dataset.theme = next;
}

$("theme").addEventListener("click", theme);
$("ask-form").addEventListener("submit", () => connection.take($("token").value.trim()));
keys(play, send, theme, persons);

(function paint() {
  if (dirty && !document.hidden) { dirty = false; traces.draw(); drives.draw(); roll.draw(); }
  requestAnimationFrame(paint);
})();
