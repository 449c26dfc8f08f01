// What the daemon tells in; what somebody on stage has to know of it out, the most urgent first, each with what to do.
const STATES = {
  lost: ["bad", "The headset is gone", "No samples arrive; the music rests. It returns by itself when the headset does."],
  held: ["warn", "The signal is bad", "The music holds what it played last."],
  resting: ["warn", "The signal stays bad", "The music rests until the electrodes are good again."],
  waiting: ["calm", "Waiting for a headset", ""],
};
const CUT = {
  lost: ["bad", "No connection to the daemon", "The music may well play on. Trying again by itself …"],
  full: ["warn", "Too many pages are open", "Close one of the others; this one tries again by itself."],
  token: ["warn", "A token is needed", "Nothing is told and nothing obeys without it."],
};
const URGENCY = ["bad", "warn", "calm"];
const LOW = [5, 10, 20]; // percent of a battery

// Returns a list of {key, kind, title, text}; what has another key is news.
export function troubles(link, state, overview, persons) {
  if (link !== "open") return CUT[link] ? [told(`link ${link}`, ...CUT[link])] : [];
  const now = overview ?? {};
  const found = [...signal(state, now, persons), ...outputs(now), ...recording(now), ...mapper(now), ...batteries(now)];
  return found.sort((one, other) => URGENCY.indexOf(one.kind) - URGENCY.indexOf(other.kind));
}

const told = (key, kind, title, ...text) => ({ key, kind, title, text: text.filter(Boolean).join(" ") });

function signal(state, { faults = {}, message = "" }, persons) {
  const bad = (whose) => {
    const theirs = ([channel]) => !whose || whose.some((who) => channel.startsWith(`${who}.`));
    const named = Object.entries(faults).filter(theirs).slice(0, 6).map(([channel, why]) => `${channel} ${why}`).join(", ");
    return named && `Look at ${named}.`;
  };
  if (STATES[state]) return [told(`signal ${state}`, ...STATES[state], state === "held" || state === "resting" ? bad() : message)];
  const missing = persons.missing();
  if (!missing) return [];
  const [kind, title, text, whose] = missing;
  return [told(title, kind, title, text, whose && bad(whose))];
}

function outputs({ lost = {}, outputs = {} }) {
  const away = Object.keys(outputs).filter((name) => outputs[name].running === 0 && !(name in lost));
  return [
    ...Object.entries(lost).map(([name, why]) => told(`output ${name}`, "bad", name === "audio" ? "No sound" : `Not open: ${name}`, ended(why.replace(/^no sound: /, "")), !why.includes("not waited for") && "It is tried again by itself.")),
    ...away.map((name) => told(`output ${name}`, "bad", "No sound", "The audio device is gone: look at its cable. The sound returns by itself when it does.")),
  ];
}

function recording({ recording }) {
  if (!recording?.trouble) return [];
  return [told("recording", "bad", "The recording is not being written", `${ended(recording.trouble)} Make room on its disk: it goes on by itself. What comes meanwhile waits in memory, as long as that lasts.`)];
}

function mapper({ mapper }) {
  if (!mapper?.fault) return [];
  return [told(`mapper ${mapper.wanted}`, "warn", "Another mapper plays", `${mapper.name} instead of ${mapper.wanted}, which ${closed(mapper.fault)} Choose another, or undo.`)];
}

function batteries({ battery, batteries = {} }) {
  const every = Object.entries(batteries);
  if (!every.length && battery != null) every.push(["", battery]);
  return every.filter(([, charge]) => charge <= LOW.at(-1)).map(([who, charge]) => {
    const level = LOW.find((each) => charge <= each);
    return told(`battery ${who} ${level}`, level === LOW[0] ? "bad" : "warn", `${who ? `${who}: the` : "The"} battery is low: ${Math.round(charge)} %`, "Charge or change it before it ends.");
  });
}

const closed = (text) => text.replace(/[.;]?$/, ".");
const ended = (text) => closed(`${text.charAt(0).toUpperCase()}${text.slice(1)}`);
