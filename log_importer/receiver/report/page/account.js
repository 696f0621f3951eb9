// What the importer says of a run: the line of outcomes, each reason with some lines, and the sources.

import { byId, el, measure } from "./dom.js";
import { count } from "./words.js";

const FINE = ["tracked", "skipped"];
const MEANINGS = JSON.parse(byId("reasons").textContent);

const named = (bucket) => bucket.replace("_", " ");

/** Fills `place` with the account of a run. Which reasons are unfolded stays as it is. */
export function showAccount(place, run) {
  const open = new Set([...place.querySelectorAll("details[open]")].map((one) => one.dataset.reason));
  const buckets = Object.entries(run.buckets);
  const bar = el("div", { className: "outcome", role: "img", "aria-label": "What became of the lines, as shares" },
    buckets.filter(([, lines]) => lines).map(([bucket, lines]) => measure(el("i", { className: bucket, title: named(bucket) }), "--n", lines)));
  const list = el("dl", { className: "buckets" }, el("div", {}, el("dt", {}, "lines read"), el("dd", {}, count(run.lines))),
    buckets.filter(([bucket, lines]) => lines || [...FINE, "rejected"].includes(bucket)).map(([bucket, lines]) =>
      el("div", {}, el("dt", {}, el("i", { className: bucket, "aria-hidden": "true" }), named(bucket)), el("dd", {}, count(lines)))));
  place.replaceChildren(
    el("article", { className: "panel" }, bar, list, run.errors.map((text) => el("p", { className: "status wrong" }, text))),
    el("div", { className: "accounts" }, reasons(run, open), sources(run)));
}

function reasons(run, open) {
  const rows = Object.entries(run.reasons).flatMap(([bucket, found]) =>
    Object.entries(found).map(([reason, lines]) => el("tr", {},
      el("td", {}, why(bucket, reason, Object.hasOwn(run.samples, reason) ? run.samples[reason] : [], open)),
      el("td", { className: "count" }, count(lines)))));
  return el("article", { className: "panel" }, el("header", {}, el("h3", {}, "Why lines were not tracked")),
    rows.length ? el("table", { className: "why" },
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "reason"), el("th", { scope: "col", className: "count" }, "lines"))),
      el("tbody", {}, rows)) : el("p", { className: "empty" }, "All of them were."));
}

function why(bucket, reason, samples, open) {
  const text = [el("strong", {}, reason), " ", el("span", { className: "meaning" }, `${named(bucket)}: it ${MEANINGS[Object.hasOwn(MEANINGS, reason) ? reason : ""]}`)];
  if (!samples.length) return el("div", {}, text);
  const details = el("details", { open: open.has(reason) }, el("summary", {}, text), el("ul", { className: "samples" }, samples.map(sample)));
  details.dataset.reason = reason;
  return details;
}

const sample = ({ source, line, text, unread }) => el("li", {}, el("b", {}, `${source}, line ${count(line)}`),
  el("code", {}, text, unread ? el("mark", { title: "Here its format stopped." }, unread) : null),
  typeof unread === "string" ? el("b", {}, unread ? "Reading stopped where the line is marked." : "The line ends too soon.") : null);

function sources(run) {
  const troubles = Object.keys(run.buckets).filter((bucket) => !FINE.includes(bucket));
  const rows = run.sources.map((one) => el("tr", {},
    el("td", { className: "label", title: one.source }, el("span", {}, one.source), el("small", {}, one.incomplete ? `${one.format}, incomplete: ${one.incomplete}` : one.format || "no format fits"), troubled(one)),
    el("td", { className: "count" }, count(one.lines)), el("td", { className: "count" }, count(one.tracked)),
    el("td", { className: "count" }, count(troubles.reduce((sum, bucket) => sum + one[bucket], 0)))));
  const heads = ["source", "lines", "tracked", "trouble"].map((text, at) => el("th", { scope: "col", className: at ? "count" : "" }, text));
  return el("article", { className: "panel" }, el("header", {}, el("h3", {}, "Sources")),
    el("table", {}, el("thead", {}, el("tr", {}, heads)), el("tbody", {}, rows)));
}

function troubled(source) {
  const texts = Object.entries(source.troubled).map(([bucket, lines]) => `${named(bucket)}: line ${lines.map(count).join(", ")}`);
  return texts.length ? el("small", {}, ` ${texts.join("; ")}`) : null;
}
