// The keyboard: one table, which is also what the help shows.
import { $, make } from "./dom.js";

const URGENT = new Set(["p", "m"]); // whatever is open
const TYPED = "input:not([type=range]):not([type=checkbox]):not([type=number]), textarea";

export function keys(play, send, theme, persons) {
  const open = () => $("keys").showModal();
  const table = [
    ["p", "P", "panic: silence at once; again: resume", () => play.panic()],
    ["m", "M", "mute, and back", () => play.mute()],
    ["+", "+", "I like this", () => play.rate(1)],
    ["-", "−", "I do not like this", () => play.rate(-1)],
    ["r", "R", "start or stop a recording", () => play.record()],
    ["u", "U", "undo", () => send("mapper.undo")],
    ["y", "Y", "redo", () => send("mapper.redo")],
    ["s", "S", "save mapper and preset", () => send("save")],
    ["n", "N", "the next person, where several play", () => persons.next()],
    ["d", "D", "dark or light", theme],
    ["?", "?", "this help", open],
  ];
  const actions = new Map(table.map(([key, , , action]) => [key, action]));
  actions.set("=", () => play.rate(1));
  $("key-list").append(...table.flatMap(([, shown, words]) => [make("dt", {}, make("kbd", {}, shown)), make("dd", {}, words)]), make("dt", {}, make("kbd", {}, "1"), " … ", make("kbd", {}, "9")), make("dd", {}, "scenes, in their order"));
  $("keys-open").addEventListener("click", open);
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.target.matches?.(TYPED)) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const busy = event.target.matches?.("select, input[type=number]") || document.querySelector("dialog[open]");
    if (busy && !URGENT.has(key)) return;
    if (/^[1-9]$/.test(key)) play.scene(Number(key) - 1);
    else if (actions.has(key)) { event.preventDefault(); actions.get(key)(); }
  });
}
