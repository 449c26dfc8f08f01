// The table of commands in, a form for each out.
import { $, make } from "./dom.js";

const STOP = "Stop the daemon? The music fades out.\n\nIt stays stopped, also where it runs as a service, and this page goes with it: it can be started again only on its own computer.";

export function commands(table, send) {
  $("commands").replaceChildren(...table.map((command) => form(command, send)));
}

function form(command, send) {
  const inputs = command.arguments.map((argument) => make("input", { type: "text", placeholder: hint(argument), "aria-label": `${command.name}: ${argument.name}`, title: argument.help }));
  const run = (event) => {
    event.preventDefault();
    if (command.name === "stop" && !confirm(STOP)) return;
    send(command.name, ...given(command.arguments, inputs.map((input) => input.value.trim())));
  };
  return make("form", { class: "command", onsubmit: run }, make("button", { type: "submit" }, command.name), ...inputs, make("p", {}, command.help));
}

// What is left empty at the end is left out; in the middle its default stands for it.
function given(table, values) {
  while (values.length && !values.at(-1)) values.pop();
  return values.map((value, i) => value || (table[i].default ?? ""));
}

function hint(argument) {
  if (!argument.optional) return argument.name;
  return argument.default || argument.default === 0 ? `[${argument.name} = ${Number(argument.default)}]` : `[${argument.name}]`;
}
