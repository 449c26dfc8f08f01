// What one does: mapper, scene, preset, undo, rate, record, learn, mute, panic.
import { $, duration, make, say } from "./dom.js";
import { commands } from "./commands.js";
import { Level } from "./level.js";

const SWITCHES = new Set(["panic", "resume", "mute", "record.start", "record.stop", "learn"]);
const ASKED_MS = 1500; // so long what was asked for here counts without an answer
const SETTLED_MS = 150; // an answer overtakes the pictures that were on their way
const DOUBT_MS = 1000; // whoever presses P so shortly after somebody else wants silence, too

export class Play {
  constructor(send) {
    this.send = send;
    this.overview = null;
    this.level = new Level(send);
    this.asked = {}; // how it stands as asked for here, until a picture comes that is newer than the answers
    this.waiting = 0; // for answers
    this.since = this.heard = this.seen = this.alarmed = -Infinity;
    const press = (id, action) => $(id).addEventListener("click", action);
    press("mute", () => this.mute());
    press("undo", () => send("mapper.undo"));
    press("redo", () => send("mapper.redo"));
    press("save", () => send("save"));
    press("record", () => this.record());
    press("learn", () => this.learn());
    press("rate-up", () => this.rate(1));
    press("rate-down", () => this.rate(-1));
    for (const button of document.querySelectorAll("[data-rate]")) button.addEventListener("click", () => this.rate(Number(button.dataset.rate)));
    document.addEventListener("click", (event) => { if (event.target.closest?.("[data-panic]")) this.panic(); }); // dialogs have one, too
    $("fade").addEventListener("input", (event) => say($("fade-text"), `${event.target.value} s`));
  }

  get fade() { return Number($("fade").value); }
  rate(value) { this.send("rate", value); }
  scene(number) { const name = Object.keys(this.scenes ?? {})[number]; if (name) this.send("scene", name); }

  // --- switches: another press at once means the other way, though the picture still shows how it was --------------

  get standing() {
    const { sound, recording, learning } = this.overview ?? {};
    return { muted: Boolean(sound?.muted), panic: Boolean(sound?.panic), recording: Boolean(recording), learning: Boolean(learning?.on), ...this.asked };
  }

  // In doubt silence wins: somebody else pressed it just now, or the picture is old.
  get doubtful() {
    const now = performance.now();
    return now - this.alarmed < DOUBT_MS || (now - this.seen > DOUBT_MS && now - this.since > ASKED_MS);
  }

  panic() {
    if (this.standing.panic && !this.doubtful) this.ask({ panic: false, muted: false }, "resume");
    else this.ask({ panic: true }, "panic");
  }

  mute() {
    if (this.standing.muted || this.standing.panic) this.ask({ panic: false, muted: false }, "mute", 0);
    else this.ask({ muted: true }, "mute", 1);
  }

  record() { const on = this.standing.recording; this.ask({ recording: !on }, on ? "record.stop" : "record.start"); }
  learn() { const on = this.standing.learning; this.ask({ learning: !on }, "learn", on ? 0 : 1); }

  ask(how, command, ...args) {
    if (!this.send(command, ...args)) return;
    Object.assign(this.asked, how);
    this.since = performance.now();
    this.waiting++;
    this.show();
  }

  answered({ command, ok }) {
    if (!ok && (!command || command === "gain")) this.level.refused();
    if (!SWITCHES.has(command)) return;
    this.waiting = Math.max(0, this.waiting - 1);
    this.heard = performance.now();
    if (ok) return;
    this.forget();
    this.show();
  }

  forget() { this.asked = {}; this.waiting = 0; }

  away() {
    this.forget();
    this.level.away();
  }

  // --- what the daemon tells ----------------------------------------------------------------------------------------

  fixed(fixed) {
    const choice = (kind, name, action) => make("button", { [`data-${kind}`]: name, onclick: action }, name);
    $("mappers").replaceChildren(...fixed.mappers.map((name) => choice("mapper", name, () => this.send("mapper.load", name, this.fade))));
    $("presets").replaceChildren(...fixed.presets.map((name) => choice("preset", name, () => this.send("preset", name))));
    const table = JSON.stringify(fixed.commands);
    if (table === this.table) return; // what is half typed there stays
    this.table = table;
    commands(fixed.commands, this.send);
  }

  sheet(sheet) {
    const scenes = JSON.stringify(sheet.scenes);
    if (scenes === this.told) return;
    this.told = scenes;
    this.scenes = sheet.scenes;
    const names = Object.keys(sheet.scenes);
    $("scenes-row").hidden = !names.length;
    $("scenes").replaceChildren(...names.map((name) => make("button", { "data-scene": name, title: sheet.scenes[name], onclick: () => this.send("scene", name) }, name)));
  }

  take(overview) {
    const before = this.standing.panic, known = this.overview !== null, now = performance.now();
    this.overview = overview;
    if (now - this.since > ASKED_MS || (!this.waiting && now - this.heard > SETTLED_MS)) this.forget();
    if (known && !before && this.standing.panic) this.alarmed = now;
    this.seen = now;
    this.level.take(overview.sound.gain_db);
    this.show();
  }

  show() {
    const { overview, standing } = this;
    if (!overview) return;
    const { mapper } = overview, silent = standing.muted || standing.panic;
    for (const button of $("mappers").children) button.classList.toggle("on", button.dataset.mapper === mapper.wanted);
    for (const button of $("presets").children) button.classList.toggle("on", button.dataset.preset === overview.preset);
    say($("mapper-now"), mapper.fault ? `${mapper.name} instead of ${mapper.wanted}, which ${mapper.fault}` : mapper.name ? `mapper ${mapper.name}` : "");
    say($("preset-now"), `preset ${overview.preset}`);
    $("mute").setAttribute("aria-pressed", String(silent));
    say($("mute"), silent ? "Unmute" : "Mute");
    for (const button of document.querySelectorAll("[data-panic]")) {
      button.classList.toggle("over", standing.panic);
      say(button, standing.panic ? "Resume" : "Panic");
    }
    $("undo").disabled = !overview.undoable;
    $("redo").disabled = !overview.redoable;
    if (overview.learning) {
      $("learning").hidden = false;
      $("learn").setAttribute("aria-pressed", String(standing.learning));
      say($("learn"), standing.learning ? "Learning" : "Learn from it");
      say($("learned"), overview.learning.learned || "ratings and turned knobs change the mapping while it plays");
    }
    $("record").classList.toggle("on", standing.recording);
    say($("record").lastElementChild, standing.recording ? "Stop recording" : "Record");
    say($("recording"), recorded(standing.recording && overview.recording));
  }
}

function recorded(recording) {
  if (!recording) return "EEG, features, controls, notes and ratings, as XDF";
  return `${duration(recording.seconds)}  ${(recording.bytes / 1e6).toFixed(1)} MB  ${recording.trouble || recording.path}`;
}
