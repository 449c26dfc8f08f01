// The settings of one control, made from the daemon's own table.
import { amount, make, say } from "./dom.js";

const WORDS = { smooth_s: "smooth", dead_zone: "dead zone" };
const DRAG_MS = 60;
const HELD_MS = 1200; // after the last touch what comes may be older than the hand
const REFUSED_MS = 300;

export class Editor {
  constructor(control, title, settings, send, close) {
    this.control = control;
    this.send = send;
    this.inputs = new Map();
    this.touched = -Infinity;
    this.element = make("div", { class: "editor" }, make("div", { class: "editor-head" }, title, make("button", { onclick: close }, "Close")), ...settings.map((setting) => this.field(setting)));
  }

  field(setting) {
    const name = WORDS[setting.name] ?? setting.name;
    if (setting.kind === "switch") {
      const input = make("input", { type: "checkbox", "data-setting": setting.name, onchange: () => this.turn(setting, input.checked ? 1 : 0) });
      this.inputs.set(setting.name, { input, setting });
      return make("label", { class: "switch", title: setting.help }, name, input);
    }
    const output = make("output", { class: "mono" });
    const input = make("input", { type: "range", min: 0, max: 1, step: 0.001, "data-setting": setting.name, oninput: () => {
      const value = this.value(setting, Number(input.value));
      say(output, amount(value, this.unit(setting)));
      this.turn(setting, value);
    } });
    this.inputs.set(setting.name, { input, output, setting });
    return make("label", { title: setting.help }, name, input, output);
  }

  unit(setting) {
    return setting.unit || (["low", "high", "dead_zone", "slew"].includes(setting.name) ? this.about?.unit ?? "" : "");
  }

  // Sliders go from 0 to 1; what has no useful end of its own gets one, and what is small is easy to reach.
  range(setting) {
    const { low, high, slew } = this.about;
    switch (setting.name) {
      case "gain": return [0, 4, 1];
      case "low": case "high": return [low, high, 1];
      case "smooth_s": return [0, 10, 3];
      case "slew": return [slew0(this.about) / 100, slew0(this.about) * 2, 3];
      case "dead_zone": return [0, (high - low) / 4, 2];
      default: return [Math.max(setting.low ?? 0, -1e6), Math.min(setting.high ?? 1, 1e6), 1];
    }
  }

  value(setting, at) {
    const [low, high, bend] = this.range(setting);
    return Number((low + (high - low) * at ** bend).toPrecision(4));
  }

  set(about) {
    this.about = about;
    this.full ??= about.settings.slew;
    this.settle(HELD_MS);
  }

  // Show what is known, once it has not been turned for so long.
  settle(rest_ms = REFUSED_MS) {
    clearTimeout(this.settling);
    const left = this.touched + rest_ms - performance.now();
    if (left > 0) { this.settling = setTimeout(() => this.settle(rest_ms), left); return; }
    if (this.about) this.show(this.about);
  }

  show(about) {
    for (const { input, output, setting } of this.inputs.values()) {
      const value = about.settings[setting.name];
      input.disabled = value === undefined;
      if (value === undefined) continue;
      if (setting.kind === "switch") { input.checked = Boolean(value); continue; }
      const [low, high, bend] = this.range(setting);
      input.value = Math.max(0, Math.min(1, (value - low) / (high - low))) ** (1 / bend);
      say(output, amount(value, this.unit(setting)));
    }
  }

  turn(setting, value) {
    this.touched = performance.now();
    this.waiting ??= new Map();
    this.waiting.set(setting.name, value);
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      for (const [name, newest] of this.waiting) this.send("route", this.control, name, newest);
      this.waiting.clear();
    }, DRAG_MS);
  }
}

const slew0 = (about) => Math.max(about.high - about.low, 1e-6) * 2;
