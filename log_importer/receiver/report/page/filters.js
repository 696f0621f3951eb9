// Site and days: the form, the address of the page, and the ranges that one button gives.

import { byId, el } from "./dom.js";

const site = byId("site");
const from = byId("from");
const to = byId("to");
const presets = [...document.querySelectorAll("[data-days]")];
let ends = [];

/** What is chosen; texts are empty where there is no limit. */
export const chosen = () => ({ idsite: site.value, from: from.value, to: to.value });

/** Takes what the page's address says, and tells `changed` of each choice. */
export function listen(changed) {
  const asked = new URLSearchParams(location.search);
  const wanted = asked.get("idsite") ?? "";
  if (/^[0-9]+$/.test(wanted)) site.append(el("option", { value: wanted, selected: true }, `site ${wanted}`));
  [from.value, to.value] = [asked.get("from") ?? "", asked.get("to") ?? ""];
  const tell = () => {
    const texts = Object.entries(chosen()).filter(([, value]) => value);
    history.replaceState(null, "", `${location.pathname}${texts.length ? `?${new URLSearchParams(texts)}` : ""}`);
    mark();
    changed();
  };
  for (const field of [site, from, to]) field.addEventListener("change", tell);
  for (const preset of presets) {
    preset.addEventListener("click", () => {
      [from.value, to.value] = days(preset.dataset.days);
      tell();
    });
  }
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
}

/** Shows which sites there are, and between which days something is known. */
export function offer(report) {
  ends = report.days;
  for (const field of [from, to]) [field.min, field.max] = [ends[0] ?? "", ends[1] ?? ""];
  const options = report.sites.map(({ idsite, name, url }) =>
    el("option", { value: String(idsite), title: url }, `${idsite}: ${name}`));
  if (options.length + 1 !== site.options.length || site.options[1]?.title === "") {
    const value = site.value;
    site.replaceChildren(site.options[0], ...options);
    site.value = value;
  }
  mark();
}

function days(many) {
  if (!many || !ends.length) return ["", ""];
  const first = new Date(`${ends[1]}T00:00:00Z`);
  first.setUTCDate(first.getUTCDate() - (Number(many) - 1));
  return [first.toISOString().slice(0, 10), ends[1]];
}

function mark() {
  for (const preset of presets) {
    const [first, last] = days(preset.dataset.days);
    preset.setAttribute("aria-pressed", String(from.value === first && to.value === last));
  }
}
