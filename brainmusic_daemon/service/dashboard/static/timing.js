// Latency against the 100 ms, ticks, glitches; the log.
import { $, make, say } from "./dom.js";

const BUDGET_MS = 125; // the bar's length; its mark stands at 100
const GLITCHES = ["output_failures", "gaps", "filled", "lost", "nonfinite", "duplicates", "restarts", "reconnects"];
const TROUBLE = ["underflow", "overflow", "error", "dropped", "reopened", "nonfinite", "lost", "failed", "repaired"];
const KEPT = 200;

export function timing(overview) {
  if (!overview.latency) return;
  const analysis = overview.analysis_delay_ms, system = overview.latency.p50_ms, { ticks, jitter } = overview;
  say($("total"), `${(analysis + system).toFixed(0)} ms`);
  $("b-analysis").style.width = `${Math.min(100, (100 * analysis) / BUDGET_MS)}%`;
  $("b-system").style.width = `${Math.min(100, (100 * system) / BUDGET_MS)}%`;
  const others = Object.entries(overview.band_delays_ms).map(([band, ms]) => `${band} ${ms.toFixed(0)}`).join(", ");
  rows($("timing-list"), [
    ["analysis", `${analysis.toFixed(0)} ms${others ? ` (${others})` : ""}`],
    ["system", `${system.toFixed(1)} ms, 99 % below ${overview.latency.p99_ms.toFixed(1)}`],
    ["ticks", `${ticks.ticks}, late ${ticks.late}, missed ${ticks.missed}`],
    ["lateness", `99 % below ${jitter.p99_ms.toFixed(2)} ms, worst ${jitter.max_ms.toFixed(1)}`],
  ]);
  const found = [];
  for (const name of GLITCHES) if (overview.source_counters[name]) found.push(`${name.replaceAll("_", " ")}: ${overview.source_counters[name]}`);
  for (const [output, counters] of Object.entries(overview.outputs))
    for (const [name, count] of Object.entries(counters)) {
      if (count && TROUBLE.some((word) => name.includes(word))) found.push(`${output} ${name.replaceAll("_", " ")}: ${count}`);
      if (name.startsWith("listening.") && !count) found.push(`nobody listens at ${name.slice(10)}`);
    }
  for (const [output, why] of Object.entries(overview.lost)) found.push(`${output} is not open: ${why}`);
  const text = found.join("\n") || "none";
  if ($("glitches").dataset.text !== text) {
    $("glitches").dataset.text = text;
    $("glitches").replaceChildren(...text.split("\n").map((line) => make("li", {}, line)));
  }
}

function rows(list, pairs) {
  if (list.childElementCount !== 2 * pairs.length) list.replaceChildren(...pairs.flatMap(([name]) => [make("dt", {}, name), make("dd")]));
  pairs.forEach(([, text], i) => say(list.children[2 * i + 1], text));
}

export function log(lines, anew = false) {
  const list = $("log");
  if (anew) list.replaceChildren();
  const newest = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  for (const [number, time, level, text] of lines) {
    if (Number(list.lastElementChild?.dataset.number ?? -1) >= number) continue;
    list.append(make("li", { class: level, "data-number": number }, make("time", {}, time), text));
  }
  while (list.childElementCount > KEPT) list.firstElementChild.remove();
  if (newest) list.scrollTop = list.scrollHeight;
}
