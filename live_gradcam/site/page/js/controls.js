// The controls: each shows a choice and makes it.

import { find } from "./document.js";
import { text } from "./texts.js";

/** @typedef {import("./session.js").Session} Session */
/** @typedef {import("./state.js").Choices} Choices */
/** @typedef {import("./state.js").State} State */
/** @typedef {import("./types.js").Site} Site */

/** Choices that are yes or no, by the id of their box. */
const BOXES = /** @type {const} */ (["signed", "steady", "truth", "mirror"]);

export class Controls {
  /** @param {Session} session */
  constructor(session) {
    this.session = session;
    this.state = session.state;
    this.site = session.site;
    this.held = find("held", HTMLInputElement);
    this.against = find("against", HTMLInputElement);
    this.listClasses();
    this.fillSelects();
    for (const name of BOXES) {
      const box = find(name, HTMLInputElement);
      box.addEventListener("change", () => this.state.set({ [name]: box.checked }));
    }
    for (const radio of this.radios()) {
      radio.addEventListener("change", () => this.state.set({ mode: /** @type {Choices["mode"]} */ (radio.value) }));
    }
    const opacity = find("opacity", HTMLInputElement);
    opacity.step = "0.05";
    opacity.addEventListener("input", () => this.state.set({ opacity: Number(opacity.value) }));
    this.held.addEventListener("change", () => this.chooseClass(this.held, "held"));
    this.against.addEventListener("change", () => this.chooseClass(this.against, "against"));
    find("follow", HTMLButtonElement).addEventListener("click", () => this.state.set({ held: null }));
    this.state.onChange(() => this.show());
    session.addEventListener("shown", () => this.showClasses());
    session.addEventListener("model", () => {
      this.listClasses();
      this.show();
    });
    this.show();
  }

  radios() {
    return /** @type {HTMLInputElement[]} */ ([...document.querySelectorAll("input[name=mode]")]);
  }

  listClasses() {
    const { labels, titles, classes } = this.session.model;
    this.titles = titles ?? labels;
    const list = find("known-classes", HTMLDataListElement);
    list.replaceChildren();
    const mapped = classes === "top" ? labels.map((_, index) => index) : classes;
    for (const index of mapped) {
      const option = document.createElement("option");
      option.value = this.titles[index];
      list.append(option);
    }
  }

  fillSelects() {
    const { settings, preprocessing, texts } = this.site;
    const view = find("view", HTMLSelectElement);
    for (const name of preprocessing.views) view.add(new Option(texts[`view.${name}`], name));
    view.addEventListener("change", () => this.state.set({ view: /** @type {Choices["view"]} */ (view.value) }));
    const colours = find("colormap", HTMLSelectElement);
    for (const name of settings.colormaps) colours.add(new Option(name, name));
    colours.addEventListener("change", () => this.state.set({ colormap: colours.value }));
    const layout = find("layout", HTMLSelectElement);
    for (const name of ["heatmap", "side-by-side", "plain"]) layout.add(new Option(text(`layout.${name}`), name));
    layout.addEventListener("change", () => this.state.set({ layout: /** @type {Choices["layout"]} */ (layout.value) }));
  }

  /**
   * @param {HTMLInputElement} input
   * @param {"held" | "against"} choice
   */
  chooseClass(input, choice) {
    const wished = input.value.trim().toLowerCase();
    const known = /** @type {string[]} */ (this.titles);
    const index = known.findIndex((title) => title.toLowerCase() === wished);
    const { classes } = this.session.model;
    const hasMap = index >= 0 && (classes === "top" || classes.includes(index));
    const problem = !wished || hasMap ? "" : text(index < 0 ? "failure.no_class" : "failure.no_map", { label: input.value });
    input.setCustomValidity(problem);
    if (problem) input.reportValidity();
    else this.state.set({ [choice]: wished ? index : null });
    if (!problem) this.showClasses();
  }

  show() {
    const { choices } = this.state;
    for (const name of BOXES) find(name, HTMLInputElement).checked = choices[name];
    for (const radio of this.radios()) {
      radio.checked = radio.value === choices.mode;
      radio.disabled = radio.value === "contrast" && !this.session.model.contrasts;
    }
    find("view", HTMLSelectElement).value = choices.view;
    find("colormap", HTMLSelectElement).value = choices.colormap;
    find("colormap", HTMLSelectElement).disabled = choices.signed;
    find("layout", HTMLSelectElement).value = choices.layout;
    find("opacity", HTMLInputElement).value = String(choices.opacity);
    find("against-row", HTMLElement).hidden = choices.mode !== "contrast";
    find("follow", HTMLButtonElement).hidden = choices.held === null;
    this.showClasses();
  }

  showClasses() {
    const { shown, index, other } = this.session;
    if (!shown) return;
    const titles = /** @type {string[]} */ (this.titles);
    // Nobody's typing is overwritten.
    if (document.activeElement !== this.held) this.held.value = titles[index];
    if (document.activeElement !== this.against) this.against.value = other === null ? "" : titles[other];
  }
}
