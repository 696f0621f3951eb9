// Numbers, days and codes as people read them.

const whole = new Intl.NumberFormat("en");
const short = new Intl.DateTimeFormat("en", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });

export const count = (number) => whole.format(number);

export function share(number, total) {
  if (!total) return "";
  const percent = (100 * number) / total;
  return percent > 0 && percent < 0.1 ? "<0.1 %" : `${percent.toFixed(1)} %`;
}

export const day = (iso) => short.format(new Date(`${iso}T00:00:00Z`));

export const range = (from, to) => (from === to ? day(from) : `${day(from)} – ${day(to)}`);

const regions = new Intl.DisplayNames("en", { type: "region", fallback: "code" });
const tongues = new Intl.DisplayNames("en", { type: "language", fallback: "code" });

export function country(code) {
  if (!/^[a-z]{2}$/i.test(code) || code === "xx") return "unknown";
  return regions.of(code.toUpperCase());
}

export function language(code) {
  if (!/^[a-z]{2,3}(-[a-z]{2})?$/i.test(code)) return code || "unknown";
  return tongues.of(code);
}

const KINDS = { direct: "direct entry", search: "search engines", social: "social networks", website: "websites", campaign: "campaigns" };

export const referrerType = (kind) => (Object.hasOwn(KINDS, kind) ? KINDS[kind] : kind);

export const device = (kind) => kind || "unknown";
