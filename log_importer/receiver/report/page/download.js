// Tables as files, made in the browser, so that a report saved as a file has them too.

/** A cell of CSV. A spreadsheet would run what begins like a formula, so such a text is given a quote in front. */
function cell(value) {
  if (typeof value === "number") return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export const csv = (columns, rows) => [columns, ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";

export const json = (columns, rows) =>
  JSON.stringify(rows.map((row) => Object.fromEntries(columns.map((column, place) => [column, row[place]]))), null, 2);

const FORMATS = { csv: [csv, "text/csv"], json: [json, "application/json"] };

/** Has the browser save a table as NAME.csv or NAME.json. */
export function save(name, format, columns, rows) {
  const [made, type] = FORMATS[format];
  const address = URL.createObjectURL(new Blob([made(columns, rows)], { type: `${type};charset=utf-8` }));
  const link = document.createElement("a");
  link.href = address;
  link.download = `${name}.${format}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
