// The level of the sound: as the daemon has it, until a hand is on the slider; nothing to turn where nobody knows it.
import { $, say } from "./dom.js";

const HELD_MS = 1500; // after the last touch what comes is older than the hand

export class Level {
  constructor(send) {
    this.turned = -Infinity;
    $("gain").addEventListener("input", (event) => {
      this.turned = performance.now();
      say($("gain-text"), `${event.target.value} dB`);
      send("gain", Number(event.target.value));
    });
  }

  take(decibels) {
    const known = decibels !== null;
    $("gain").disabled = !known;
    if (known && performance.now() - this.turned < HELD_MS) return;
    if (known) $("gain").value = decibels;
    say($("gain-text"), known ? `${decibels} dB` : "no sound");
    $("gain").parentElement.title = known ? "level of the sound" : "nothing here has a level: there is no [output.audio]";
  }

  refused() { this.turned = -Infinity; }

  // Without the daemon nobody knows it.
  away() {
    $("gain").disabled = true;
    this.refused();
  }
}
