// Elements. Whatever comes from a log becomes the text of a node, and never markup.

export const byId = (id) => document.getElementById(id);

/** An element with properties and children; texts become text nodes, `null` is left out. */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role" || name === "scope" || name === "colspan") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.flat().filter((child) => child !== null));
  return element;
}

/** A button that does `act`. */
export function button(text, act, properties = {}) {
  const element = el("button", { type: "button", ...properties }, text);
  element.addEventListener("click", act);
  return element;
}

/** Puts a number where the style sheet looks for it. */
export function measure(element, name, value) {
  element.style.setProperty(name, value);
  return element;
}
