// A table of the largest of something: a title, rows with their share, and all of it as a file.

import { button, el, measure } from "./dom.js";
import { save } from "./download.js";
import { count, share } from "./words.js";

const FEW = 10;

/**
 * A panel in `parent`. `columns` are the headings of label and number, `word` makes a label readable, `whole` gives all
 * rows of the table for a file. Its `update` is given `{rows: [[label, number]], more, total}`.
 */
export function panel(parent, { name, title, columns, word = String, whole }) {
  let table = { rows: [], more: false, total: 0 };
  let open = false;
  const heading = el("h3", { id: `table-${name}` }, title);
  const body = el("tbody");
  const grown = el(
    "table",
    { "aria-labelledby": heading.id },
    el("thead", {}, el("tr", {}, head(columns[0], "label"), head(columns[1], "count"), head("share", "share"))),
    body,
  );
  const empty = el("p", { className: "empty" }, "None.");
  const more = button("", () => {
    open = !open;
    draw();
  }, { className: "more" });
  const tools = el("div", { className: "tools" }, ["csv", "json"].map((format) =>
    button(format.toUpperCase(), async () => save(name, format, columns, await whole(table)), {
      "aria-label": `${title} as ${format.toUpperCase()}`,
    })));
  parent.append(el("article", { className: "panel", id: `panel-${name}` }, el("header", {}, heading, tools), empty, grown, more));

  function draw() {
    const shown = open ? table.rows : table.rows.slice(0, FEW);
    const largest = table.rows[0]?.[1] ?? 0;
    body.replaceChildren(...shown.map(([label, number]) => {
      const text = word(label);
      return el("tr", {},
        measure(el("td", { className: "label", title: label }, el("span", {}, text || "(none)")), "--share", (100 * number) / largest),
        el("td", { className: "count" }, count(number)),
        el("td", { className: "share" }, share(number, table.total)));
    }));
    empty.hidden = table.rows.length > 0;
    grown.hidden = tools.hidden = table.rows.length === 0;
    more.hidden = table.rows.length <= FEW;
    const rest = table.more ? "; the files have more" : "";
    more.textContent = open ? "Show fewer" : `Show ${count(table.rows.length)}${rest}`;
    more.setAttribute("aria-expanded", String(open));
  }

  draw();
  return {
    update(found) {
      table = found;
      draw();
    },
  };
}

const head = (text, kind) => el("th", { scope: "col", className: kind }, text);

/** Counts by name as a table. */
export function tableOf(counts) {
  const rows = Object.entries(counts).sort((one, other) => other[1] - one[1]);
  return { rows, more: false, total: rows.reduce((sum, [, number]) => sum + number, 0) };
}
