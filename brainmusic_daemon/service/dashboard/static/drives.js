// Features on the left, controls on the right, and between them how much each feature moves each control now.
import { $, amount, brush, colour, hue, make, say } from "./dom.js";
import { Editor } from "./editor.js";

const NAMES = { fundamental_frequency: "pitch", noise_amount: "noise", attack_time: "attack" };
export const plain = (name) => NAMES[name] ?? name.replaceAll("_", " ");

export class Drives {
  constructor(send) {
    this.send = send;
    this.features = new Map();
    this.controls = new Map();
    this.shares = {};
    this.values = {};
    this.shown = [];
  }

  sheet(sheet, fixed) {
    if (sheet.shown.join() !== this.shown.join()) {
      this.shown = sheet.shown;
      this.features.clear();
      $("features").replaceChildren(...sheet.shown.map((name) => {
        const bar = make("i"), value = make("span", { class: "value mono" });
        bar.style.setProperty("--hue", `var(--${hue(name)})`);
        const own = make("u", { hidden: true });
        const row = make("div", { class: "feature", title: name }, make("span", { class: "label" }, plain(name)), make("div", { class: "meter" }, bar, own), value);
        this.features.set(name, { row, bar, own, value });
        return row;
      }));
    }
    const names = sheet.controls.filter((control) => control.driven || !control.name.includes(".")).map((control) => control.name);
    if (names.join() !== [...this.controls.keys()].join()) {
      this.controls.clear();
      $("controls").replaceChildren(...names.map((name) => this.row(name, fixed)));
    }
    for (const control of sheet.controls) {
      const row = this.controls.get(control.name);
      if (!row) continue;
      row.control = control;
      row.element.classList.toggle("still", !control.driven);
      row.element.title = control.help;
      const { freeze, invert, gain } = control.settings;
      say(row.flags, freeze ? "❄" : invert ? "⇅" : "");
      row.flags.title = freeze ? "frozen" : invert ? "inverted" : gain !== 1 ? `gain ${gain}` : "";
      const share = (value) => `${(100 * (value - control.low)) / (control.high - control.low)}%`;
      row.rest.style.left = share(control.rest);
      row.editor.set(control);
    }
  }

  // What was asked of a control is not to be had.
  refused() { for (const { editor } of this.controls.values()) editor.settle(); }

  row(name, fixed) {
    const bar = make("i"), rest = make("b"), value = make("span", { class: "value mono" }), cause = make("span", { class: "cause" }), flags = make("span", { class: "flags" });
    const editor = new Editor(name, plain(name), fixed.settings, this.send, () => this.controls.get(name).close());
    const button = make("button", { "aria-expanded": "false", onclick: () => {
      const open = !element.classList.contains("open");
      for (const other of this.controls.values()) other.close();
      if (open) { element.classList.add("open"); button.setAttribute("aria-expanded", "true"); element.append(editor.element); }
    } }, make("span", { class: "label" }, plain(name)), make("div", { class: "meter" }, bar, rest), value, flags, cause);
    const element = make("div", { class: "control", "data-control": name }, button);
    const close = () => { element.classList.remove("open"); button.setAttribute("aria-expanded", "false"); editor.element.remove(); };
    this.controls.set(name, { element, button, bar, rest, value, cause, flags, editor, close });
    return element;
  }

  take(features, controls) {
    this.shown.forEach((name, i) => {
      const row = this.features.get(name), value = features[i];
      if (value === undefined || !row) return;
      row.bar.style.transform = `scaleX(${Math.max(0, Math.min(1, value))})`;
      say(row.value, value.toFixed(2));
    });
    this.values = controls;
    for (const [name, row] of this.controls) {
      const value = controls[name];
      if (value === undefined || !row.control) continue;
      const { low, high, unit } = row.control;
      row.bar.style.transform = `scaleX(${Math.max(0, Math.min(1, (value - low) / (high - low)))})`;
      say(row.value, amount(value, unit));
    }
  }

  // Of several persons: a mark on the group's bar where the one that is shown stands.
  own(values) {
    for (const [name, { own }] of this.features) {
      const value = values.get(name);
      own.hidden = value === undefined;
      if (value !== undefined) own.style.left = `${100 * Math.max(0, Math.min(1, value))}%`;
    }
  }

  explain(shares) {
    this.shares = shares;
    for (const [name, row] of this.controls) {
      const found = shares[name] ?? [], parts = [];
      for (let i = 0; i + 1 < found.length && i < 6; i += 2) parts.push(`${plain(found[i])} ${found[i + 1] > 0 ? "+" : "−"}${Math.abs(100 * found[i + 1]).toFixed(0)} %`);
      const resting = row.control && !row.control.driven ? "rests: nothing drives it" : "at its usual";
      say(row.cause, parts.length ? `← ${parts.join("   ")}` : resting);
    }
  }

  draw() {
    const { context, width, height } = brush($("links"));
    const top = $("links").getBoundingClientRect().top;
    const middle = (element) => { const box = element.getBoundingClientRect(); return box.top + box.height / 2 - top; };
    context.lineCap = "round";
    for (const [control, found] of Object.entries(this.shares)) {
      const row = this.controls.get(control);
      if (!row) continue;
      const to = middle(row.button);
      for (let i = 0; i + 1 < found.length; i += 2) {
        const [first, ...rest] = found[i].split("."); // alpha.O1 is drawn from alpha, anna.alpha as well
        const feature = this.features.get(found[i]) ?? this.features.get(first) ?? this.features.get(rest[0]), share = found[i + 1];
        if (!feature) continue;
        const from = middle(feature.row);
        context.beginPath();
        context.moveTo(4, from);
        context.bezierCurveTo(width * 0.5, from, width * 0.5, to, width - 6, to);
        context.strokeStyle = colour(share > 0 ? "up" : "down");
        context.setLineDash(share > 0 ? [] : [7, 6]);
        context.globalAlpha = 0.25 + 0.75 * Math.min(1, Math.abs(share) * 2.5);
        context.lineWidth = 1 + 9 * Math.min(1, Math.abs(share));
        context.stroke();
      }
    }
    context.globalAlpha = 1;
    context.setLineDash([]);
  }
}
