// Where the figures come from: the receiver that served this page, or the file itself.

import { byId } from "./dom.js";

const embedded = byId("report-data");

/** Whether the figures lie in this file and never change. */
export const isFile = embedded !== null;

/** The address with what the filter says; without anything that is the one that the page has asked for already. */
function asked(address, filter) {
  const query = new URLSearchParams(Object.entries(filter).filter(([, value]) => value)).toString();
  return query ? `${address}?${query}` : address;
}

/** The report of what the filter leaves; `null` where `known` is still its version. */
export async function load(filter, known, signal) {
  if (isFile) return known ? null : JSON.parse(embedded.textContent);
  const answer = await fetch(asked("report/data", { ...filter, known }), { signal });
  if (answer.status === 204) return null;
  return body(answer);
}

/** All rows of a table, as far as they are given at once. */
export async function whole(name, filter, shown) {
  if (isFile) return shown.rows;
  return (await body(await fetch(asked(`report/table/${name}`, filter)))).rows;
}

async function body(answer) {
  if (answer.ok) return answer.json();
  const { error } = await answer.json().catch(() => ({}));
  throw new Error(error ?? `The receiver answered with status ${answer.status}.`);
}
