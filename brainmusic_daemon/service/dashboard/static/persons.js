// Several persons: a button each, with how their signal is; the signal panel shows the one that is chosen.
import { $, keep, kept, make, say } from "./dom.js";

export class Persons {
  constructor(watch, changed) {
    Object.assign(this, { watch, changed });
    this.people = {};
    this.buttons = new Map();
    this.who = "";
  }

  // Returns the sheet as the panels need it: of several, with the signal of the one that is chosen.
  sheet(sheet) {
    this.last = sheet;
    this.people = sheet.people ?? {};
    const names = Object.keys(this.people);
    $("people").hidden = !names.length;
    document.body.classList.toggle("several", names.length > 0);
    if (names.join() !== [...this.buttons.keys()].join()) {
      this.buttons.clear();
      $("people").replaceChildren(...names.map((who) => this.button(who)));
    }
    say($("whose"), names.length ? `Features: the bars are the group's, the dots ${this.chosen(names)}'s, 0 to 1 in each one's own range.` : "Features: 0 to 1 in your own range, the mark is your usual.");
    if (!names.length) { this.who = ""; return sheet; }
    this.who = this.chosen(names);
    this.watch(this.who); // the daemon forgets with the connection
    for (const [who, { button }] of this.buttons) button.setAttribute("aria-pressed", String(who === this.who));
    const own = this.people[this.who];
    say($("elsewhere-note"), own.performs ? `${this.who} plays on another computer: features come, the EEG stays there` : own.channels.length ? "" : `${this.who} has not come yet`);
    return { ...sheet, ...own, shown: sheet.shown };
  }

  chosen(names) {
    return this.who in this.people ? this.who : names.find((who) => who === kept("person")) ?? names[0];
  }

  button(who) {
    const state = make("span", { class: "note" });
    const button = make("button", { title: `show ${who} (N: the next)`, onclick: () => this.choose(who) }, make("b", {}, who), state);
    this.buttons.set(who, { button, state });
    return button;
  }

  choose(who) {
    this.who = who;
    keep("person", who);
    this.changed(this.last);
  }

  next() {
    const names = [...this.buttons.keys()];
    if (names.length) this.choose(names[(names.indexOf(this.who) + 1) % names.length]);
  }

  overview({ people = {}, batteries = {} }) {
    for (const [who, { button, state }] of this.buttons) {
      button.dataset.state = people[who] ?? "waiting";
      say(state, [people[who] ?? "waiting", who in batteries ? `${Math.round(batteries[who])} %` : ""].filter(Boolean).join(" · "));
    }
    this.states = people;
  }

  // Who does not play while others do, worst first: what a banner says, or nothing.
  missing() {
    const found = (...states) => Object.keys(this.people).filter((who) => states.includes(this.states?.[who]));
    const lost = found("lost"), bad = found("held", "resting"), late = found("waiting");
    if (lost.length) return ["bad", `${lost.join(", ")}: the headset is gone`, "The others play on. It returns by itself when the headset does."];
    if (bad.length) return ["warn", `${bad.join(", ")}: the signal is bad`, "The others play on.", bad];
    if (late.length) return ["calm", `Waiting for ${late.join(", ")}`, "The others play."];
    return null;
  }

  // Of all electrodes those of the one that is chosen, without their name before them.
  own(quality, faults) {
    if (!this.who) return [quality, faults];
    const before = `${this.who}.`, cut = ([name, value]) => [name.slice(before.length), value], mine = ([name]) => name.startsWith(before);
    return [quality.filter(mine).map(cut), Object.fromEntries(Object.entries(faults).filter(mine).map(cut))];
  }

  features(values) {
    return new Map((this.people[this.who]?.shown ?? []).map((name, i) => [name, values[i]]));
  }
}
