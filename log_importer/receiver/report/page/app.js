// The report: asks for the figures, shows them, and asks again as long as the page is looked at.

import { showAccount } from "./account.js";
import { chart } from "./chart.js";
import { byId, el } from "./dom.js";
import { chosen, listen, offer } from "./filters.js";
import { panel, tableOf } from "./panel.js";
import { isFile, load, whole } from "./source.js";
import { themed } from "./theme.js";
import { count, country, device, language, range, referrerType } from "./words.js";

const SOON = 1000; // milliseconds to the next question, where something goes on
const LATER = 4000;

const TOTALS = [
  ["visits", "Visits", (t) => (t.visits ? `${(t.actions / t.visits).toFixed(1)} actions each` : "")],
  ["visitors", "Visitors", (t) => (t.visitors ? `${(t.visits / t.visitors).toFixed(2)} visits each` : "")],
  ["actions", "Actions", (t) => `${count(t.views)} page views`],
  ["downloads", "Downloads", () => ""], ["searches", "Site searches", () => ""],
  ["conversions", "Conversions", () => "goals and orders"],
];
const PANELS = {
  "looked-at": [
    ["pages", "Pages", ["page", "views"]], ["entries", "Entry pages", ["page", "visits"]],
    ["downloads", "Downloads", ["file", "downloads"]], ["searches", "Site searches", ["keyword", "searches"]],
  ],
  "came-from": [
    ["referrer_types", "Kinds of referrers", ["kind", "visits"], referrerType],
    ["search_engines", "Search engines", ["search engine", "visits"]], ["social_networks", "Social networks", ["network", "visits"]],
    ["websites", "Websites", ["website", "visits"]], ["campaigns", "Campaigns", ["campaign", "visits"]],
  ],
  who: [
    ["browsers", "Browsers", ["browser", "visits"]], ["systems", "Systems", ["system", "visits"]],
    ["devices", "Devices", ["device", "visits"], device], ["countries", "Countries", ["country", "visits"], country],
    ["languages", "Languages", ["language", "visits"], language],
  ],
};
const LEFT_OUT = [
  ["bots", "Bots", ["bot", "lines"], "bots"], ["ais", "AI assistants and crawlers", ["name", "lines"], "ais"],
  ["statuses", "HTTP errors", ["status", "lines"], "statuses"],
];

const panels = {};
for (const [place, list] of Object.entries(PANELS)) {
  for (const [name, title, columns, word] of list) {
    panels[name] = panel(byId(place), { name, title, columns, word: word ?? address, whole: (table) => whole(name, chosen(), table) });
  }
}
const leftOut = LEFT_OUT.map(([name, title, columns, key]) =>
  [key, panel(byId("left-out"), { name, title, columns, whole: (table) => table.rows })]);
const byDay = chart(byId("by-day"), {
  name: "by-day", title: "By day", first: "Day", days: true,
  series: [["actions", "Actions", "--accent"], ["visits", "Visits", "--second"], ["visitors", "Visitors", "--third"]],
});
const byHour = chart(byId("by-hour"), {
  name: "by-hour", title: "By hour of the day", first: "Hour", days: false,
  series: [["actions", "Actions", "--accent"], ["visits", "Visits", "--second"]],
});

let report = null;
let filter = "";
let under = null;
let timer = 0;

/** An address without the part that all addresses of the report share. */
function address(text) {
  const shared = report?.sites.length === 1 || report?.idsite ? report.sites.find((one) => report.idsite === null || one.idsite === report.idsite)?.url : "";
  return shared && text.startsWith(`${shared}/`) ? text.slice(shared.length) : text;
}

async function refresh() {
  clearTimeout(timer);
  under?.abort();
  under = new AbortController();
  const asked = JSON.stringify(chosen());
  const known = asked === filter ? report?.version : "";
  try {
    const found = await load(chosen(), known, under.signal);
    if (found) {
      report = found;
      filter = asked;
      show();
    } else tell();
  } catch (error) {
    if (error.name === "AbortError") return;
    const away = error.message.includes("fetch") ? "The receiver does not answer: it was stopped." : error.message;
    byId("status").className = "status wrong";
    byId("status").textContent = away;
  }
  if (!isFile) timer = setTimeout(() => (document.hidden ? later() : refresh()), goesOn() ? SOON : LATER);
}

function later() {
  document.addEventListener("visibilitychange", refresh, { once: true });
}

const goesOn = () => report !== null && (report.behind > 0 || report.runs[0]?.state === "running");

function show() {
  offer(report);
  byId("span").textContent = report.from ? range(report.from, report.to) : "";
  byId("totals").replaceChildren(...TOTALS.map(([key, name, remark]) => el("div", { id: `total-${key}` },
    el("dt", {}, name), el("dd", {}, el("span", {}, count(report.totals[key])), el("small", {}, remark(report.totals))))));
  const days = report.course.days;
  byDay.update({ x: days.map((day) => Date.parse(`${day}T00:00:00Z`) / 1000), texts: days, ...report.course });
  const hours = report.by_hour.visits.map((_, hour) => hour);
  byHour.update({ x: hours, texts: hours.map((hour) => `${String(hour).padStart(2, "0")}:00`), ...report.by_hour });
  for (const [name, one] of Object.entries(panels)) one.update(report.tables[name]);
  showRun();
  tell();
  document.documentElement.dataset.shown = `${report.version} ${filter}`;
}

function showRun() {
  const runs = report.runs;
  const choice = byId("run");
  byId("run-choice").hidden = runs.length < 2;
  if (runs.map((run) => run.id).join() !== [...choice.options].map((option) => option.value).join()) {
    const newest = choice.selectedIndex <= 0;
    const value = choice.value;
    choice.replaceChildren(...runs.map((run) => el("option", { value: run.id }, `${run.began.slice(0, 16).replace("T", " ")}, ${count(run.lines)} lines`)));
    if (!newest) choice.value = value;
  }
  const run = runs.find((one) => one.id === choice.value) ?? runs[0];
  byId("import-note").textContent = run
    ? `What the importer says of the run that began at ${run.began.slice(0, 16).replace("T", " ")} and ${ENDINGS[run.state]}. It covers all sites and days of that run.`
    : "No import told of itself: what is shown came by the Tracking API alone. An import into the embedded receiver leaves its account here.";
  byId("account").hidden = byId("left-out").hidden = !run;
  document.querySelector("h3.group").hidden = !run;
  if (!run) return;
  showAccount(byId("account"), run);
  for (const [key, one] of leftOut) one.update(tableOf(run[key]));
}

const ENDINGS = { running: "is under way", ended: "has ended", "broken off": "broke off without saying why" };

function tell() {
  const [run] = report.runs;
  const parts = [];
  if (run?.state === "running") parts.push(`An import is under way: ${count(run.lines)} lines read, ${count(run.buckets.tracked)} tracked.`);
  if (report.behind > 0) parts.push(`${count(report.behind)} actions are still to be counted.`);
  if (report.unnamed > 0) parts.push(`${count(report.unnamed)} user agents are not named yet.`);
  if (isFile) parts.push(`As of ${report.made.slice(0, 16).replace("T", " ")} UTC${report.idsite ? `, site ${report.idsite}` : ""}.`);
  byId("status").className = goesOn() ? "status live" : "status";
  if (byId("status").textContent !== parts.join(" ")) byId("status").textContent = parts.join(" ");
}

byId("filters").hidden = isFile;
byId("run").addEventListener("change", showRun);
listen(refresh);
themed(byId("theme"), () => {
  byDay.repaint();
  byHour.repaint();
});
refresh();
