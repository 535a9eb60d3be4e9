// The controls: each shows a choice and makes it.

import { findClass, foldedName } from "./class_names.js";
import { find } from "./document.js";
import { text } from "./texts.js";

/** @typedef {import("./session.js").Session} Session */
/** @typedef {import("./state.js").Choices} Choices */
/** @typedef {import("./state.js").State} State */
/** @typedef {import("./types.js").Site} Site */

/** Choices that are yes or no, by the id of their box. */
const BOXES = /** @type {const} */ (["signed", "steady", "truth", "mirror"]);

const MOST_NAMED = 5; // of classes that could be meant

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
    opacity.step = String(this.site.settings.opacity_step);
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
    for (const name of settings.layouts) layout.add(new Option(text(`layout.${name}`), name));
    layout.addEventListener("change", () => this.state.set({ layout: /** @type {Choices["layout"]} */ (layout.value) }));
  }

  /**
   * @param {HTMLInputElement} input
   * @param {"held" | "against"} choice
   */
  chooseClass(input, choice) {
    const problem = this.takeClass(input.value, choice);
    input.setCustomValidity(problem);
    if (problem) {
      input.reportValidity();
      return;
    }
    const chosen = this.state.choices[choice];
    if (chosen !== null) input.value = /** @type {string[]} */ (this.titles)[chosen]; // the whole of its name
    this.showClasses();
  }

  /**
   * @param {string} typed
   * @param {"held" | "against"} choice
   * @returns {string} What is wrong with it; empty where the class was taken.
   */
  takeClass(typed, choice) {
    const { labels, classes } = this.session.model;
    const titles = /** @type {string[]} */ (this.titles);
    const label = typed.trim();
    if (!label) {
      this.state.set({ [choice]: null });
      return "";
    }
    const listed = titles.findIndex((title) => foldedName(title) === foldedName(label));
    const meaning = listed >= 0 ? { index: listed } : findClass(labels, label);
    if ("many" in meaning) return text("failure.many_classes", { label, names: this.named(meaning.many) });
    if ("near" in meaning) {
      const names = this.named(meaning.near);
      return text(names ? "failure.no_class_near" : "failure.no_class", { label, names });
    }
    const { index } = meaning;
    if (classes !== "top" && !classes.includes(index)) return text("failure.no_map", { label: titles[index] });
    this.state.set({ [choice]: index });
    return "";
  }

  /** @param {number[]} indices */
  named(indices) {
    const titles = /** @type {string[]} */ (this.titles);
    return indices
      .slice(0, MOST_NAMED)
      .map((index) => titles[index])
      .join(text("controls.or"));
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
    this.fill(this.held, titles[index]);
    this.fill(this.against, other === null ? "" : titles[other]);
  }
  /** @param {HTMLInputElement} input @param {string} title */
  fill(input, title) {
    if (document.activeElement === input) return; // nobody's typing is overwritten
    input.value = title;
    input.setCustomValidity("");
  }
}
