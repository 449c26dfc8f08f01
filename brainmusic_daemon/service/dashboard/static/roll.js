// The notes of the last seconds as a piano roll, and the pitch as a line.
import { $, brush, colour, say } from "./dom.js";

const SECONDS = 12, AHEAD_S = 0.4, INKS = ["note", "alpha", "beta", "gamma", "other", "theta", "delta"];
const midi = (hz) => 69 + 12 * Math.log2(hz / 440);

export class Roll {
  constructor() {
    this.notes = [];
    this.pitch = [];
    this.events = [];
    this.time = 0;
    this.count = 0;
  }

  take(now) {
    this.time = now.t;
    for (const [time, pitch, velocity, length, channel] of now.n ?? []) { this.notes.push({ time, pitch, velocity, length, channel }); this.count++; }
    for (const [name, time] of now.e ?? []) this.events.push({ name, time });
    if (now.c.fundamental_frequency > 0) this.pitch.push([now.t, midi(now.c.fundamental_frequency)]);
    const gone = now.t - SECONDS;
    this.notes = this.notes.filter((note) => note.time + note.length > gone).slice(-600);
    this.events = this.events.filter((event) => event.time > gone).slice(-50);
    while (this.pitch.length && (this.pitch[0][0] < gone || this.pitch[0][0] > now.t)) this.pitch.shift();
    say($("notes-note"), this.notes.length ? `${this.notes.filter((note) => note.time > now.t - 10).length} in 10 s` : "none from this preset: the line is the pitch");
  }

  draw() {
    const { context, width, height } = brush($("roll"));
    const left = 34, end = this.time + AHEAD_S;
    const x = (time) => left + ((time - end + SECONDS) / SECONDS) * (width - left);
    const pitches = [...this.notes.map((note) => note.pitch), ...this.pitch.map(([, pitch]) => pitch), 48, 60];
    const low = Math.floor((Math.min(...pitches) - 2) / 12) * 12, high = Math.ceil((Math.max(...pitches) + 2) / 12) * 12;
    const y = (pitch) => height - 8 - ((pitch - low) / (high - low)) * (height - 16);
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "middle";
    for (let octave = low; octave <= high; octave += 12) {
      context.fillStyle = colour("muted");
      context.fillText(`C${octave / 12 - 1}`, 0, y(octave));
      context.strokeStyle = colour("line");
      context.beginPath(); context.moveTo(left, y(octave)); context.lineTo(width, y(octave)); context.stroke();
    }
    context.strokeStyle = colour("muted");
    context.lineWidth = 1.6;
    context.beginPath();
    this.pitch.forEach(([time, pitch], i) => (i ? context.lineTo(x(time), y(pitch)) : context.moveTo(x(time), y(pitch))));
    context.stroke();
    const thick = Math.max(4, Math.min(9, (height / (high - low)) * 1.4));
    for (const { time, pitch, velocity, length, channel } of this.notes) {
      context.fillStyle = colour(INKS[channel % INKS.length]);
      context.globalAlpha = 0.35 + 0.65 * velocity;
      const from = Math.max(left, x(time)), wide = Math.max(3, x(time + length) - x(time) - 1);
      context.beginPath();
      context.roundRect(from, y(pitch) - thick / 2, Math.max(1, Math.min(wide, width - from)), thick, 3);
      context.fill();
    }
    context.globalAlpha = 1;
    let free = 0;
    for (const { name, time } of this.events) {
      const at = x(time);
      context.strokeStyle = context.fillStyle = colour("warn");
      context.setLineDash([2, 4]);
      context.beginPath(); context.moveTo(at, 0); context.lineTo(at, height); context.stroke();
      context.setLineDash([]);
      const word = name.replaceAll("_", " "), wide = context.measureText(word).width, start = Math.min(at + 4, width - wide - 2);
      if (start < free) continue; // a word over a word says nothing
      context.fillText(word, start, 8);
      free = start + wide + 6;
    }
    context.strokeStyle = colour("edge");
    context.lineWidth = 1;
    context.beginPath(); context.moveTo(x(this.time), 0); context.lineTo(x(this.time), height); context.stroke();
  }
}
