// One class on the tab for teaching: its name, what was shown of it, and the button to show more.

import { write } from "../document.js";
import { text } from "../texts.js";
import { percent } from "../wording.js";

const MOST_PICTURES = 4;

/**
 * What visitors do with a class.
 * @typedef {object} Actions
 * @property {(label: string) => void} hold
 * @property {() => void} release
 * @property {(label: string) => void} tap
 * @property {(label: string, name: string) => string} rename Returns what is wrong; empty if nothing is.
 * @property {(label: string) => void} remove
 * @property {(label: string, files: File[]) => void} addPictures
 *
 * @typedef {{held: boolean, count: number, pictures: string[], accuracy: number | null}} ClassState
 */

export class ClassRow {
  /** @param {number} place 0 is the class of everything else, which keeps its name. @param {Actions} actions */
  constructor(place, actions) {
    this.place = place;
    this.actions = actions;
    this.label = "";
    this.element = document.createElement("li");
    this.name = document.createElement("input");
    this.button = document.createElement("button");
    this.count = document.createElement("output");
    this.pictures = document.createElement("span");
    this.adder = document.createElement("label");
    this.files = document.createElement("input");
    this.remover = document.createElement("button");
    this.build();
    this.listen();
  }

  build() {
    const { element, name, button, count, pictures, adder, files, remover, place } = this;
    name.type = "text";
    name.readOnly = place === 0;
    name.autocomplete = "off";
    name.spellcheck = false;
    button.type = remover.type = "button";
    button.className = "button hold";
    button.textContent = text("teach.hold");
    if (place < 10) button.setAttribute("aria-keyshortcuts", String(place));
    pictures.className = "pictures";
    adder.className = "pick";
    const words = document.createElement("span");
    words.textContent = text("teach.pictures");
    files.type = "file";
    files.accept = "image/*";
    files.multiple = true;
    adder.append(words, files);
    remover.textContent = "\u00d7";
    remover.className = "remove";
    remover.hidden = place === 0;
    element.append(name, button, adder, pictures, count, remover);
    if (place < 10) {
      const key = document.createElement("kbd");
      key.textContent = String(place);
      key.setAttribute("aria-hidden", "true");
      button.append(" ", key);
    }
  }

  listen() {
    const { button, name, files, element, actions } = this;
    button.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      event.preventDefault(); // no selection, no menu of a long press
      button.focus();
      button.setPointerCapture(event.pointerId);
      actions.hold(this.label);
    });
    for (const kind of ["pointerup", "pointercancel", "lostpointercapture", "blur"]) {
      button.addEventListener(kind, () => this.isHeld && actions.release());
    }
    button.addEventListener("contextmenu", (event) => event.preventDefault());
    button.addEventListener("keydown", (event) => {
      if (event.key !== " " && event.key !== "Enter") return;
      event.preventDefault();
      event.stopPropagation(); // the space bar freezes pictures elsewhere
      if (!event.repeat) actions.hold(this.label);
    });
    button.addEventListener("keyup", (event) => {
      if (event.key !== " " && event.key !== "Enter") return;
      event.preventDefault();
      actions.release();
    });
    // What assistive technology presses, nobody holds.
    button.addEventListener("click", (event) => event.detail === 0 && actions.tap(this.label));
    name.addEventListener("input", () => name.setCustomValidity(""));
    name.addEventListener("change", () => this.rename());
    name.addEventListener("keydown", (event) => event.key === "Enter" && name.blur());
    this.remover.addEventListener("click", () => actions.remove(this.label));
    files.addEventListener("change", () => {
      const chosen = [...(files.files ?? [])];
      files.value = "";
      if (chosen.length) actions.addPictures(this.label, chosen);
    });
    element.addEventListener("dragover", (event) => {
      event.preventDefault();
      event.stopPropagation();
      element.classList.add("drop");
    });
    element.addEventListener("dragleave", () => element.classList.remove("drop"));
    element.addEventListener("drop", (event) => {
      event.preventDefault();
      event.stopPropagation(); // elsewhere a picture is dropped to be explained
      element.classList.remove("drop");
      document.body.classList.remove("drop");
      const dropped = [...(event.dataTransfer?.files ?? [])];
      if (dropped.length) actions.addPictures(this.label, dropped);
    });
  }

  get isHeld() {
    return this.button.getAttribute("aria-pressed") === "true";
  }

  rename() {
    const problem = this.actions.rename(this.label, this.name.value.trim());
    this.name.setCustomValidity(problem);
    if (problem) this.name.reportValidity();
  }

  /** Let the visitor type a name. */
  editName() {
    this.name.focus();
    this.name.select();
  }

  /** @param {string} label @param {ClassState} state */
  show(label, { held, count, pictures, accuracy }) {
    this.label = label;
    const { name, button, remover, files } = this;
    // Nobody's typing is overwritten.
    if (document.activeElement !== name) {
      name.value = label;
      name.setCustomValidity("");
    }
    name.setAttribute("aria-label", text("teach.name", { number: this.place }));
    button.setAttribute("aria-pressed", String(held));
    button.setAttribute("aria-label", text("teach.hold_label", { hold: text("teach.hold"), label }));
    files.setAttribute("aria-label", text("teach.pictures_label", { label }));
    remover.setAttribute("aria-label", text("teach.remove", { label }));
    const right = accuracy === null ? "" : text("teach.class_right", { share: percent(accuracy) });
    write(this.count, right ? text("teach.count_right", { count, right }) : text("teach.count", { count }));
    this.showPictures(pictures.slice(-MOST_PICTURES));
  }

  /** @param {string[]} addresses */
  showPictures(addresses) {
    const list = this.pictures;
    while (list.children.length > addresses.length) list.lastElementChild?.remove();
    addresses.forEach((address, place) => {
      const image = /** @type {HTMLImageElement} */ (list.children[place] ?? list.appendChild(document.createElement("img")));
      image.alt = "";
      if (image.src !== address) image.src = address;
    });
  }
}
