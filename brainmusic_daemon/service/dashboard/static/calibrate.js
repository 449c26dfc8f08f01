// Calibration: who it is, what to do now in letters that are read at arm's length, how the electrodes sit, what came of it.
import { $, make, say } from "./dom.js";
import { Leading } from "./leading.js";

const UNDER_WAY = new Set(["contact", "ready", "open", "closed", "thinking"]);
const TITLES = { contact: "Contact", ready: "Get ready", open: "Eyes open", closed: "Eyes closed", thinking: "Thank you", done: "Done", failed: "Not this time", cancelled: "Cancelled" };

export class Calibrate {
  constructor(send) {
    this.send = send;
    this.phase = "idle";
    this.mine = false; // begun on this page: it leads
    this.people = "";
    this.leading = new Leading();
    this.until = 0; // performance.now() at which the phase ends
    const field = (id, label, attributes) => { const input = make("input", { id, "aria-label": label, ...attributes }); return [make("label", { for: id }, label), input]; };
    this.person = make("select", { id: "calibrate-person", "aria-label": "whose headset" });
    this.profile = make("select", { id: "profile-choice", "aria-label": "profile", onchange: () => this.choose() });
    this.form = make("form", { id: "calibrate", class: "calibrate", onsubmit: (event) => { event.preventDefault(); this.start(); } },
      make("div", { class: "grow" }, ...field("calibrate-name", "who: one word", { type: "text", placeholder: "name", required: true, maxlength: 64, autocomplete: "off", autocapitalize: "off", spellcheck: "false" })),
      make("div", {}, ...field("calibrate-open", "open, s", { type: "number", min: 10, max: 600, value: 30 })),
      make("div", {}, ...field("calibrate-closed", "closed, s", { type: "number", min: 10, max: 600, value: 30 })),
      this.person, make("button", { type: "submit", id: "calibrate-start" }, "Calibrate"));
    this.line = make("p", { class: "note", id: "calibrate-line" }, "A minute with open, then closed eyes. The music rests meanwhile, and a bell tells when to open them.");
    this.again = make("button", { id: "calibrate-show", hidden: true, onclick: () => this.dialog.showModal() }, "Show the guidance");
    $("calibration").replaceChildren(make("div", { class: "row" }, make("label", { for: "profile-choice", class: "note" }, "known as"), this.profile, this.again), this.form, this.line);
    this.title = make("h2", { id: "guide-title" });
    this.count = make("div", { class: "count mono", "aria-hidden": "true" });
    this.words = make("p", { class: "words-big", "aria-live": "assertive" });
    this.hint = make("p", { class: "note", id: "guide-hint", hidden: true }, "This phone may lock its screen meanwhile, and says nothing then (it can be kept awake over https only): let its screen stay on for two minutes or more, or listen for the daemon's bell.");
    this.bar = make("i");
    this.kept = make("p", { class: "mono kept" });
    this.chips = make("div", { class: "chips", "aria-label": "contact of every electrode" });
    this.found = make("ul", { class: "plain" });
    this.stop = make("button", { id: "guide-cancel", class: "grow", onclick: () => UNDER_WAY.has(this.phase) ? this.send("calibrate.cancel") : this.dialog.close() }, "Cancel");
    this.without = make("button", { id: "guide-without", hidden: true, onclick: () => this.leave() }, "Calibrate without it");
    this.dialog = make("dialog", { id: "guide", "aria-labelledby": "guide-title" }, this.title, this.count, this.words, this.hint, make("div", { class: "progress", "aria-hidden": "true" }, this.bar), this.kept, this.chips, this.found,
      make("div", { class: "row" }, this.without), make("div", { class: "row" }, this.stop, make("button", { id: "guide-hide", onclick: () => this.dialog.close() }, "Hide"), make("button", { class: "panic", "data-panic": true, title: "silence at once (P)" }, "Panic")));
    document.body.append(this.dialog);
    setInterval(() => this.tick(), 200);
  }

  start() {
    const name = $("calibrate-name").value.trim();
    if (name) this.begin(name, this.person.hidden ? [] : [this.person.value]);
  }

  begin(name, more) {
    this.mine = true;
    this.leading.begin();
    this.send("calibrate.start", name, Number($("calibrate-open").value), Number($("calibrate-closed").value), ...more);
  }

  // Go without the electrodes that are in the way: what waits for them is ended first.
  leave() {
    this.instead = [this.now.name, [this.now.person, this.now.offer.join(",")]];
    if (UNDER_WAY.has(this.phase)) this.send("calibrate.cancel");
    else this.again_without();
  }

  again_without() {
    const [name, more] = this.instead;
    this.instead = null;
    this.begin(name, more);
  }

  choose() {
    const whose = this.person.hidden ? [] : [this.person.value];
    if (this.profile.value) this.send("profile", this.profile.value, ...whose);
    else this.send("profile.none", ...whose);
  }

  // Twice a second: everything, a calibration that is over included.
  overview(message) {
    const people = Object.keys(message.profile).filter(Boolean);
    if (people.join() !== this.people || !this.told) {
      this.people = people.join();
      this.told = true;
      this.person.hidden = !people.length;
      this.person.replaceChildren(...people.map((name) => make("option", { value: name }, name)));
    }
    const name = message.profile[people.length ? this.person.value : ""] ?? "";
    const known = ["", ...new Set([...message.profiles, name].filter(Boolean))];
    if (known.join() !== this.known) {
      this.known = known.join();
      this.profile.replaceChildren(...known.map((each) => make("option", { value: each }, each || "nobody: it learns as it plays")));
    }
    if (document.activeElement !== this.profile) this.profile.value = name;
    const used = people.map((each) => `${each}: ${message.profile[each] || "no profile"}`).join(", ");
    say($("profile"), used || (name ? `profile ${name}` : "no profile: it gets to know you as it plays"));
    this.quality = message.quality ?? [];
    this.take(message.calibration);
  }

  take(now) {
    const before = this.phase;
    this.phase = now.phase;
    this.now = now;
    const going = UNDER_WAY.has(now.phase);
    this.until = performance.now() + 1000 * now.left_s;
    this.again.hidden = !going;
    this.hint.hidden = !(this.mine && ["contact", "ready", "open"].includes(now.phase) && this.leading.sleepy);
    $("calibrate-start").disabled = going;
    if (now.phase === "idle") return;
    if (before !== now.phase) this.turn(before, now);
    this.without.hidden = !now.offer.length || !["contact", "failed"].includes(now.phase);
    say(this.without, `Calibrate without ${now.offer.join(", ")}`);
    if (this.instead && now.phase === "cancelled") this.again_without();
    say(this.title, `${TITLES[now.phase]}${now.name ? ` · ${now.name}` : ""}`);
    say(this.words, now.text);
    this.dialog.dataset.phase = now.phase;
    this.bar.style.transform = `scaleX(${now.progress})`;
    const done = Object.entries(now.takes).map(([eyes, seconds]) => `eyes ${eyes}: ${seconds.toFixed(0)} s`);
    const here = ["open", "closed"].includes(now.phase) ? [`kept ${now.kept_s.toFixed(0)} s, rejected ${now.rejected_s.toFixed(0)} s`] : [];
    say(this.kept, [...done, ...here].join(" · "));
    say(this.line, going ? `${TITLES[now.phase]}: ${now.text}` : now.text);
    say(this.stop, going ? "Cancel" : "Close");
    this.found.replaceChildren(...[...now.found, ...now.notes].map((line) => make("li", {}, line)));
    const head = now.person ? `${now.person}.` : "";
    const own = (this.quality ?? []).filter(([name]) => name.startsWith(head));
    this.chips.hidden = !going || now.phase === "thinking";
    this.chips.replaceChildren(...own.map(([name, good]) => {
      const short = name.slice(head.length), why = now.bad[short];
      return make("span", { class: `chip ${good >= 0.5 ? "e-good" : good >= 0.25 ? "e-weak" : "e-bad"}` }, why ? `${short}: ${why}` : short);
    }));
    this.tick();
  }

  // Another phase: who began it here is led on, by voice and by a bell of the page's own.
  turn(before, now) {
    if (!this.mine) return;
    if (UNDER_WAY.has(now.phase) && !UNDER_WAY.has(before) && !this.dialog.open) { this.dialog.showModal(); this.stop.focus(); }
    if (now.phase === "open" || now.phase === "closed") this.leading.ring("begin");
    if (now.phase === "thinking") this.leading.ring("open");
    if (now.phase === "failed" || now.phase === "cancelled") this.leading.ring("failed");
    if (["ready", "thinking", "failed"].includes(now.phase)) this.leading.speak(now.text);
    if (UNDER_WAY.has(now.phase)) return;
    this.mine = false;
    this.leading.end();
  }

  tick() {
    const left = Math.ceil((this.until - performance.now()) / 1000);
    say(this.count, ["ready", "open", "closed"].includes(this.phase) && left > 0 ? String(left) : "");
  }
}
