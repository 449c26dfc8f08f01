// EEG traces, swept like on a monitor: the newest sample is at the gap.  Drift is taken out for the eye only.
import { $, brush, colour } from "./dom.js";

const SECONDS = 6, DRIFT_S = 1.0, NICE = [5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000];

export class Traces {
  constructor() {
    this.channels = [];
    $("scale").addEventListener("change", (event) => { this.fixed = Number(event.target.value); });
    this.fixed = 0;
    this.scale = 50;
    this.count = 0; // points that ever came: a test looks at it
  }

  sheet(sheet, who) {
    const channels = sheet.channels.slice(0, sheet.traced);
    if (who === this.who && channels.join() === this.channels.join() && sheet.points_hz === this.rate) return;
    this.who = who;
    this.channels = channels;
    this.rate = sheet.points_hz;
    this.size = Math.max(1, Math.round(SECONDS * this.rate));
    this.lines = channels.map(() => new Float32Array(this.size).fill(NaN));
    this.drift = channels.map(() => NaN);
    this.next = null;
    this.quality = [];
  }

  take([first, points]) {
    if (!this.channels.length || points.length !== this.channels.length) return;
    if (this.next !== null && first > this.next) // some are missing: leave a gap
      for (let at = Math.max(this.next, first - this.size); at < first; at++) for (const line of this.lines) line[at % this.size] = NaN;
    const keep = Math.exp(-1 / (DRIFT_S * this.rate));
    points.forEach((values, channel) => {
      const line = this.lines[channel];
      let drift = this.drift[channel];
      values.forEach((value, i) => {
        const uv = value / 10;
        drift = Number.isNaN(drift) ? uv : keep * drift + (1 - keep) * uv;
        line[(first + i) % this.size] = uv - drift;
      });
      this.drift[channel] = drift;
    });
    this.next = first + points[0].length;
    this.count += points[0].length;
  }

  fit() {
    if (this.fixed) { this.scale = this.fixed; return; }
    const sizes = [];
    this.lines.forEach((line, channel) => {
      if ((this.quality[channel] ?? 1) < 0.5) return; // a bad electrode must not make the others small
      for (let at = 0; at < this.size; at += 5) if (!Number.isNaN(line[at])) sizes.push(Math.abs(line[at]));
    });
    if (sizes.length < 20) return;
    sizes.sort((a, b) => a - b);
    const wanted = sizes[Math.floor(sizes.length * 0.96)] * 1.1;
    const nice = NICE.find((step) => step >= wanted) ?? NICE.at(-1);
    if (nice > this.scale || nice < this.scale / 2.1) this.scale = nice;
  }

  draw() {
    const { context, width, height } = brush($("traces"));
    if (!this.channels.length || this.next === null) return;
    this.fit();
    const left = 46, n = this.channels.length, row = height / n, gain = Math.max(row * 0.85, 20) / this.scale;
    const x = (at) => left + ((width - left) * at) / this.size;
    context.lineJoin = "round";
    context.font = `600 ${Math.min(12, Math.max(8, row * 0.7))}px system-ui, sans-serif`;
    context.textBaseline = "middle";
    const head = this.next % this.size, gap = Math.round(this.size * 0.02);
    context.strokeStyle = colour("line");
    context.lineWidth = 1;
    for (let second = 0; second <= SECONDS; second++) {
      const at = Math.round(x(second * this.rate)) + 0.5;
      context.beginPath(); context.moveTo(at, 0); context.lineTo(at, height); context.stroke();
    }
    for (let channel = 0; channel < n; channel++) {
      const middle = (channel + 0.5) * row, quality = this.quality[channel] ?? 1, line = this.lines[channel];
      const ink = quality < 0.25 ? "bad" : quality < 0.5 ? "warn" : "text";
      context.fillStyle = colour(ink);
      context.fillText(this.channels[channel], 0, middle);
      context.strokeStyle = colour(quality < 0.25 ? "bad" : quality < 0.5 ? "warn" : "accent");
      context.globalAlpha = quality < 0.5 ? 0.55 : 1;
      context.lineWidth = 1.2;
      context.beginPath();
      let pen = false;
      for (let at = 0; at < this.size; at++) {
        const value = line[at], ahead = (at - head + this.size) % this.size;
        if (Number.isNaN(value) || ahead < gap) { pen = false; continue; }
        const y = middle - value * gain;
        pen ? context.lineTo(x(at), y) : context.moveTo(x(at), y);
        pen = true;
      }
      context.stroke();
      context.globalAlpha = 1;
    }
    const bar = (this.scale * gain), y = height - 6; // as long as the scale says
    context.fillStyle = colour("panel");
    context.fillRect(width - 76, y - Math.max(bar, 14) - 4, 76, Math.max(bar, 14) + 10);
    context.strokeStyle = context.fillStyle = colour("text");
    context.lineWidth = 1.5;
    context.beginPath(); context.moveTo(width - 6, y); context.lineTo(width - 6, y - bar); context.moveTo(width - 10, y); context.lineTo(width - 2, y); context.moveTo(width - 10, y - bar); context.lineTo(width - 2, y - bar); context.stroke();
    context.font = "600 12px system-ui, sans-serif";
    context.textAlign = "right";
    context.fillText(`${this.scale} µV`, width - 16, y - bar / 2);
    context.textAlign = "left";
  }
}
