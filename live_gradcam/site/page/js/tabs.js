/**
 * Tabs, as the ARIA practices have them: one is in the order of the keyboard, arrows, Home and End walk.
 * @param {HTMLElement} list Its buttons name their panels with `aria-controls`.
 * @param {(name: string) => void} onChange
 * @returns {(name: string) => void} Opens a tab.
 */
export function useTabs(list, onChange) {
  const tabs = /** @type {HTMLElement[]} */ ([...list.querySelectorAll("[role=tab]")]);
  const open = (/** @type {HTMLElement} */ chosen) => {
    for (const tab of tabs) {
      const is = tab === chosen;
      tab.setAttribute("aria-selected", String(is));
      tab.tabIndex = is ? 0 : -1;
      const panel = document.getElementById(tab.getAttribute("aria-controls") ?? "");
      if (panel) panel.hidden = !is;
    }
    onChange(chosen.dataset.tab ?? "");
  };
  for (const tab of tabs) {
    tab.addEventListener("click", () => open(tab));
    tab.addEventListener("keydown", (event) => {
      const place = tabs.indexOf(tab);
      /** @type {Record<string, number>} */
      const places = { ArrowRight: place + 1, ArrowLeft: place - 1, Home: 0, End: -1 };
      if (!(event.key in places)) return;
      event.preventDefault();
      const next = tabs[(places[event.key] + tabs.length) % tabs.length];
      next.focus();
      open(next);
    });
  }
  return (name) => {
    const tab = tabs.find((each) => each.dataset.tab === name);
    if (tab && tab.getAttribute("aria-selected") !== "true") open(tab);
  };
}
