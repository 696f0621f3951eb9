// Light or dark: as the system says, unless somebody chose.

const KEY = "log-importer-theme";

/** Puts the chosen theme in force, now and whenever another is chosen; `changed` is told, also of the system's. */
export function themed(select, changed) {
  const use = (theme) => {
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    changed();
  };
  select.value = stored() ?? "";
  select.addEventListener("change", () => {
    keep(select.value);
    use(select.value);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
  use(select.value);
}

function stored() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null; // a browser that keeps nothing for this page
  }
}

function keep(theme) {
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // then it is chosen anew the next time
  }
}
