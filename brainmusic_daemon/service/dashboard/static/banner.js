// Troubles in; the first as a banner, the others below it where somebody wants them, and what is new read out once.
import { $, make, say } from "./dom.js";

const AGAIN_MS = 10_000; // what comes and goes is not read out every time
const READ_MS = 5_000; // then the words are taken away, so that the same ones can be news again

export class Banner {
  constructor(enter) {
    this.before = new Set();
    this.read = new Map(); // key → when
    $("banner-act").addEventListener("click", enter);
  }

  show(troubles) {
    const [first, ...others] = troubles;
    $("banner").hidden = !first;
    $("banner-act").hidden = first?.key !== "link token";
    if (first) {
      $("banner").dataset.kind = first.kind;
      say($("banner-title"), first.title);
      say($("banner-text"), first.text);
    }
    $("banner-more").hidden = !others.length;
    say($("banner-more").firstElementChild, `also: ${others.map(({ title }) => title).join(" · ")}`);
    const lines = JSON.stringify(others);
    if (lines !== this.lines) {
      this.lines = lines;
      $("banner-list").replaceChildren(...others.map(({ kind, title, text }) => make("li", { "data-kind": kind }, make("strong", {}, title), ` ${text}`)));
    }
    this.announce(troubles);
  }

  announce(troubles) {
    const now = performance.now(), news = troubles.filter(({ key }) => !this.before.has(key) && now - (this.read.get(key) ?? -Infinity) > AGAIN_MS);
    for (const { key } of news) this.read.set(key, now);
    const loud = news.filter(({ kind }) => kind === "bad"), quiet = news.filter(({ kind }) => kind !== "bad");
    tell($("alarm"), loud.map(words).join(" "));
    tell($("news"), quiet.map(words).join(" ") || (this.before.size && !troubles.length ? "All is well again." : ""));
    this.before = new Set(troubles.map(({ key }) => key));
  }
}

const words = ({ title, text }) => `${title}. ${text}`;

function tell(element, text) {
  if (!text) return;
  say(element, text);
  clearTimeout(element.timer);
  element.timer = setTimeout(() => say(element, ""), READ_MS);
}
