// Electrodes on a head seen from above, coloured and shaped by their contact.
import { $, make, say, vector } from "./dom.js";

const kind = (quality) => (quality >= 0.5 ? "good" : quality >= 0.25 ? "weak" : "bad");
const MOST_NAMED = 5;

export class Head {
  sheet(sheet) {
    const shape = JSON.stringify([sheet.channels, sheet.places]);
    if (shape === this.shape) return;
    this.shape = shape;
    this.hidden = sheet.channels.length - sheet.traced;
    this.traced = sheet.traced;
    const svg = $("head");
    svg.replaceChildren(
      vector("path", { class: "skull", d: "M-.17 -1.11 L0 -1.31 L.17 -1.11" }),
      vector("path", { class: "skull", d: "M-1.13 -.22 C-1.3 -.3 -1.3 .3 -1.13 .22 M1.13 -.22 C1.3 -.3 1.3 .3 1.13 .22" }),
      vector("circle", { class: "skull", cx: 0, cy: 0, r: 1.14 }),
    );
    $("elsewhere").replaceChildren();
    this.marks = new Map();
    const placed = sheet.places.filter(Boolean).length;
    const radius = placed > 40 ? 0.085 : placed > 20 ? 0.11 : 0.15;
    sheet.channels.forEach((channel, i) => {
      const place = sheet.places[i];
      if (place) {
        const [x, y] = place, circle = vector("circle", { class: "e e-good", cx: x, cy: -y, r: radius });
        const title = vector("title", {}, channel);
        circle.append(title);
        svg.append(circle);
        if (placed <= 40) svg.append(vector("text", { x, y: -y, "font-size": radius * (channel.length > 3 ? 0.66 : 0.92), "pointer-events": "none" }, channel));
        this.marks.set(channel, { circle, title });
      } else {
        const chip = make("span", { class: "chip" }, channel);
        $("elsewhere").append(chip);
        this.marks.set(channel, { chip });
      }
    });
    svg.style.display = placed ? "" : "none";
  }

  take(quality, faults, state) {
    if (!this.marks) return;
    const bad = [];
    for (const [channel, value] of quality) {
      const mark = this.marks.get(channel), word = faults[channel] ?? "";
      if (!mark) continue;
      if (value < 0.5) bad.push(word ? `${channel} ${word}` : channel);
      if (mark.circle) {
        mark.circle.setAttribute("class", `e e-${kind(value)}`);
        say(mark.title, `${channel}: ${Math.round(100 * value)} %${word ? `, ${word}` : ""}`);
      } else mark.chip.className = `chip e-${kind(value)}`;
    }
    if (state === "lost") { say($("contact"), "no samples"); say($("faults"), "the headset is gone"); return; }
    say($("contact"), quality.length ? `contact ${quality.length - bad.length} of ${quality.length}${this.hidden ? `; the first ${this.traced} are drawn` : ""}` : "");
    say($("faults"), bad.length ? `look at ${bad.slice(0, MOST_NAMED).join(", ")}${bad.length > MOST_NAMED ? ` and ${bad.length - MOST_NAMED} more` : ""}` : quality.length ? "all electrodes are good" : "");
  }
}
