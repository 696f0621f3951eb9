// Courses by day and by hour, drawn by uPlot, with the same figures as a table for who cannot see them.

import { button, el } from "./dom.js";
import { save } from "./download.js";
import { count } from "./words.js";

const HEIGHT = 220;
const BARS = 62; // days that still have room for a bar each

const DAYS = [1, 2, 7, 14, 28, 61, 91, 182, 365, 731, 1826];
const LONG = 300; // days from which on the year matters more than the day

const months = new Intl.DateTimeFormat("en", { month: "short", year: "numeric", timeZone: "UTC" });
const monthDays = new Intl.DateTimeFormat("en", { day: "numeric", month: "short", timeZone: "UTC" });

function dated(splits) {
  const long = splits.at(-1) - splits[0] > LONG * 86_400;
  return splits.map((seconds) => (long ? months : monthDays).format(new Date(seconds * 1000)));
}

/** A colour of the style sheet as the theme in force has it: a canvas knows nothing of light-dark(). */
function colour(name) {
  const probe = el("span", { hidden: true });
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

/**
 * A chart in `article`. `series` are `[name, label, colour]`, the first of them drawn as bars where there is room.
 * Its `update` is given the places on the x axis, the same as texts, and an array of numbers for each series.
 */
export function chart(article, { name, title, first, series, days }) {
  const heading = el("h3", {}, title);
  const place = el("div", { className: "chart", role: "img" });
  const body = el("tbody");
  const columns = [first, ...series.map(([, label]) => label)];
  let known = null;
  let plot = null;
  let kind = "";
  const rows = () => known.texts.map((text, at) => [text, ...series.map(([key]) => known[key][at])]);
  const tools = el("div", { className: "tools" }, ["csv", "json"].map((format) =>
    button(format.toUpperCase(), () => save(name, format, columns, rows()), { "aria-label": `${title} as ${format.toUpperCase()}` })));
  const figures = el("details", {},
    el("summary", {}, "Figures"),
    el("div", { className: "figures", tabIndex: 0, role: "region", "aria-label": `${title}, figures` },
      el("table", {}, el("thead", {}, el("tr", {}, columns.map((text, at) => el("th", { scope: "col", className: at ? "count" : "" }, text)))), body)));
  article.append(el("header", {}, heading, tools), place, figures);
  figures.addEventListener("toggle", list);
  new ResizeObserver(() => plot?.setSize({ width: place.clientWidth, height: HEIGHT })).observe(place);

  function list() {
    if (!figures.open || !known) return;
    body.replaceChildren(...rows().map((row) =>
      el("tr", {}, row.map((value, at) => el("td", { className: at ? "count" : "" }, at ? count(value) : value)))));
  }

  function draw(anew) {
    if (!known) return;
    const data = [known.x, ...series.map(([key]) => known[key])];
    const wanted = known.x.length <= BARS ? "bars" : "lines";
    if (plot && !anew && wanted === kind) plot.setData(data);
    else {
      plot?.destroy();
      kind = wanted;
      plot = new uPlot(options(place.clientWidth, { series, days, bars: kind === "bars" }), data, place);
    }
    const peak = Math.max(0, ...known[series[0][0]]);
    place.setAttribute("aria-label", `${title}: ${known.x.length} ${first.toLowerCase()}s, at most ${count(peak)} ${series[0][1].toLowerCase()}`);
    list();
  }

  return {
    update(found) {
      known = found;
      draw(false);
    },
    repaint: () => draw(true),
  };
}

function options(width, { series, days, bars }) {
  const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--edge"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
  const numbers = (_, splits) => splits.map((value) => (Number.isInteger(value) ? count(value) : ""));
  const drawn = series.map(([, label, tone], at) => {
    const stroke = colour(tone);
    const asBars = bars && at === 0;
    return {
      label, stroke, width: asBars ? 0 : 2, points: { show: !asBars && bars, size: 5, fill: stroke },
      fill: asBars ? colour("--column") : undefined, value: (_, value) => (value == null ? "–" : count(value)),
      ...(asBars ? { paths: uPlot.paths.bars({ size: [0.7, 48], radius: 0.15 }) } : {}),
    };
  });
  const when = days
    ? { label: "Day", value: (_, value) => (value == null ? "–" : new Date(value * 1000).toISOString().slice(0, 10)) }
    : { label: "Hour", value: (_, value) => (value == null ? "–" : `${value}:00`) };
  return {
    width, height: HEIGHT, series: [when, ...drawn], tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    scales: { x: { time: days, range: (_, low, high) => padded(low, high, days ? 86_400 : 1) }, y: { range: (_, _low, high) => [0, Math.max(1, high * 1.08)] } },
    axes: [
      { ...axis, grid: { show: false }, ...(days ? { space: 64, incrs: DAYS.map((many) => many * 86_400), values: (_, splits) => dated(splits) } : { values: (_, splits) => splits.map((hour) => (Number.isInteger(hour) ? `${hour}` : "")) }) },
      { ...axis, values: numbers, size: 58 },
    ],
    cursor: { drag: { x: false, y: false } },
    legend: { show: true },
  };
}

const padded = (low, high, step) => [low - step / 2, high + step / 2];
