// What one does: mapper, scene, preset, undo, rate, record, mute, panic, gain, and every command of the table.
import { $, duration, make, say } from "./dom.js";

export class Play {
  constructor(send) {
    this.send = send;
    this.overview = null;
    const press = (id, action) => $(id).addEventListener("click", action);
    press("mute", () => this.mute());
    press("panic", () => this.panic());
    press("undo", () => send("mapper.undo"));
    press("redo", () => send("mapper.redo"));
    press("save", () => send("save"));
    press("record", () => this.record());
    press("learn", () => send("learn", this.overview?.learning?.on ? 0 : 1));
    press("rate-up", () => this.rate(1));
    press("rate-down", () => this.rate(-1));
    for (const button of document.querySelectorAll("[data-rate]")) button.addEventListener("click", () => this.rate(Number(button.dataset.rate)));
    $("gain").addEventListener("input", (event) => { this.turned = performance.now(); say($("gain-text"), `${event.target.value} dB`); send("gain", Number(event.target.value)); });
    $("fade").addEventListener("input", (event) => say($("fade-text"), `${event.target.value} s`));
  }

  get fade() { return Number($("fade").value); }
  mute() { this.send("mute", this.overview?.sound.muted || this.overview?.sound.panic ? 0 : 1); }
  panic() { this.send(this.overview?.sound.panic ? "resume" : "panic"); }
  record() { this.send(this.overview?.recording ? "record.stop" : "record.start"); }
  scene(number) { const name = Object.keys(this.scenes ?? {})[number]; if (name) this.send("scene", name); }

  rate(value) {
    this.send("rate", value);
    this.rated?.(value);
  }

  fixed(fixed) {
    const choice = (kind, name, action) => make("button", { [`data-${kind}`]: name, onclick: action }, name);
    $("mappers").replaceChildren(...fixed.mappers.map((name) => choice("mapper", name, () => this.send("mapper.load", name, this.fade))));
    $("presets").replaceChildren(...fixed.presets.map((name) => choice("preset", name, () => this.send("preset", name))));
    $("commands").replaceChildren(...fixed.commands.map((command) => this.form(command)));
  }

  form(command) {
    const inputs = command.arguments.map((argument) => make("input", { type: "text", placeholder: argument.optional ? `[${argument.name}]` : argument.name, "aria-label": `${command.name}: ${argument.name}`, title: argument.help }));
    const run = () => {
      const given = inputs.map((input) => input.value.trim());
      while (given.length && !given.at(-1)) given.pop();
      if (command.name === "stop" && !confirm("End the daemon? The music fades out.")) return;
      this.send(command.name, ...given);
    };
    return make("form", { class: "command", onsubmit: (event) => { event.preventDefault(); run(); } }, make("button", { type: "submit" }, command.name), ...inputs, make("p", {}, command.help));
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
    this.overview = overview;
    const { mapper, sound, recording } = overview;
    for (const button of $("mappers").children) button.classList.toggle("on", button.dataset.mapper === mapper.wanted);
    for (const button of $("presets").children) button.classList.toggle("on", button.dataset.preset === overview.preset);
    say($("mapper-now"), mapper.fault ? `${mapper.name} instead of ${mapper.wanted}, which ${mapper.fault}` : mapper.name ? `mapper ${mapper.name}` : "");
    say($("preset-now"), `preset ${overview.preset}`);
    const silent = sound.muted || sound.panic;
    $("mute").setAttribute("aria-pressed", String(Boolean(silent)));
    say($("mute"), silent ? "Unmute" : "Mute");
    $("panic").classList.toggle("over", sound.panic);
    say($("panic"), sound.panic ? "Resume" : "Panic");
    $("undo").disabled = !overview.undoable;
    $("redo").disabled = !overview.redoable;
    if (overview.learning) {
      $("learning").hidden = false;
      $("learn").setAttribute("aria-pressed", String(overview.learning.on));
      say($("learn"), overview.learning.on ? "Learning" : "Learn from it");
      say($("learned"), overview.learning.learned || "ratings and turned knobs change the mapping while it plays");
    }
    $("record").classList.toggle("on", Boolean(recording));
    say($("record").lastElementChild, recording ? "Stop recording" : "Record");
    say($("recording"), recording ? `${duration(recording.seconds)}  ${(recording.bytes / 1e6).toFixed(1)} MB  ${recording.trouble || recording.path}` : "EEG, features, controls, notes and ratings, as XDF");
    if (sound.gain_db !== null && !(performance.now() - (this.turned ?? -1e9) < 1500)) { $("gain").value = sound.gain_db; say($("gain-text"), `${sound.gain_db} dB`); }
  }
}
