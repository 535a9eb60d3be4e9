// What stands beside the picture: the answer, the best classes, the truth meter, the legend.

import { describeAnswer, unitOf } from "./answers.js";
import { find, write } from "./document.js";
import { predict, strengthOf } from "./predictions.js";
import { text } from "./texts.js";
import { removalNumbers, removalSentence } from "./verdicts.js";
import { number, strength } from "./wording.js";

/** @typedef {import("./session.js").Session} Session */
/** @typedef {import("./types.js").Prediction} Prediction */

export class Panel {
  /** @param {Session} session */
  constructor(session) {
    this.session = session;
    this.site = session.site;
    this.answer = find("answer", HTMLElement);
    this.classes = find("classes", HTMLElement);
    this.verdict = find("verdict", HTMLElement);
    this.numbers = find("verdict-numbers", HTMLElement);
    this.legend = find("legend", HTMLElement);
    session.addEventListener("shown", () => this.draw());
  }

  draw() {
    const { session, site } = this;
    const { shown, index, model } = session;
    if (!shown) return;
    const { explanation } = shown;
    const rows = [...explanation.predictions];
    if (!rows.some((row) => row.index === index)) {
      rows.push(...predict(explanation.scores, model, 0, [index]));
    }
    write(this.answer, this.sentence(rows));
    this.listClasses(rows, index);
    const truth = session.reading;
    const waiting = session.truth.applies ? text("truth.waiting") : "";
    const removal = truth?.reading.removal ?? null;
    write(this.verdict, truth ? removalSentence(removal, site.figures.verdict, site.texts) : waiting);
    write(this.numbers, removal ? removalNumbers(removal, site.texts) : "");
    find("truth-box", HTMLElement).hidden = !truth && !waiting;
    this.verdict.dataset.state = truth ? "done" : "waiting";
    this.showLegend();
  }

  /** @param {Prediction[]} predictions */
  sentence(predictions) {
    const { session, site } = this;
    const { shown, index, contrast, model, unmapped } = session;
    if (!shown) return "";
    const explanation = { ...shown.explanation, predictions };
    const { held, mode, layout } = session.state.choices;
    const [best] = predictions;
    const asked = held ?? best.index;
    const said = [contrast && explanation.finite ? this.contrastSentence() : describeAnswer(explanation, asked, "", model, site)];
    if (!explanation.finite || layout === "plain") return said.join(" ");
    const label = (/** @type {number} */ each) => model.labels[each];
    if (unmapped.length) said.push(this.noMap(unmapped[0]));
    else if (asked !== index) said.push(this.noMap(asked));
    if (asked !== index && mode !== "mosaic") said.push(text("best.shown", { label: label(index) }));
    if (contrast || mode === "mosaic") return said.filter(Boolean).join(" ");
    if (mode === "contrast") said.push(text("contrast.alone"));
    said.push(unmapped.length ? text("colours.none") : text(this.colours()));
    return said.join(" ");
  }

  /** What the colours of a contrast say; nothing where there is no map of it. */
  contrastSentence() {
    const { index, other, contrast, model, state } = this.session;
    if (!contrast || other === null) return "";
    const { against, signed } = state.choices;
    const names = { first: model.labels[index], second: model.labels[other] };
    const itself = against === index ? text("contrast.itself", names) : "";
    if (!contrast.map) return `${itself} ${text("contrast.no_map", names)}`.trim();
    const speaksFor = contrast.map.values.some((value) => value > 0);
    const key = signed ? "contrast.signed" : speaksFor ? "contrast.sentence" : "contrast.nothing";
    return `${itself} ${text(key, names)}`.trim();
  }

  /**
   * That the graph has no map of a class, or not of this picture.
   * @param {number} index
   */
  noMap(index) {
    const { shown, model } = this.session;
    const count = shown?.explanation.evidence.classes.length ?? 0;
    return text(model.classes === "top" ? "class.no_map_here" : "class.no_map", { label: model.labels[index], count });
  }

  /** Key of the text that says what the colours mean. */
  colours() {
    const { map, state } = this.session;
    const speaksFor = map?.values.some((value) => value > 0);
    if (!state.choices.signed) return speaksFor ? "spot.coloured" : "spot.uncoloured";
    return speaksFor ? "colours.signed" : "colours.against";
  }

  /** @param {Prediction[]} rows @param {number} shown */
  listClasses(rows, shown) {
    const list = this.classes;
    while (list.children.length > rows.length) list.lastElementChild?.remove();
    rows.forEach((row, place) => {
      const item = list.children[place] ?? list.appendChild(this.newRow());
      const button = /** @type {HTMLButtonElement} */ (item.firstElementChild);
      const [name, figure, bar] = /** @type {HTMLElement[]} */ ([...button.children]);
      const share = row.probability !== null;
      button.dataset.index = String(row.index);
      button.setAttribute("aria-pressed", String(row.index === shown));
      write(name, row.label);
      write(figure, strength(strengthOf(row), share));
      bar.hidden = !share;
      bar.style.setProperty("--share", String(row.probability ?? 0));
    });
  }

  newRow() {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    const name = document.createElement("span");
    const figure = document.createElement("span");
    const bar = document.createElement("i");
    name.className = "name";
    figure.className = "figure";
    bar.className = "bar";
    button.append(name, figure, bar);
    item.append(button);
    // The class that is held already follows the best one again.
    button.addEventListener("click", () => {
      const index = Number(button.dataset.index);
      const { state } = this.session;
      state.set({ held: state.choices.held === index ? null : index });
    });
    return item;
  }

  showLegend() {
    const { session, site } = this;
    const { signed, layout, colormap } = session.state.choices;
    const empty = layout === "plain" || !(session.scaleValue > 0);
    this.legend.hidden = empty;
    if (empty) return;
    const [low, bar, high, unit] = /** @type {HTMLElement[]} */ ([...this.legend.children]);
    const scale = number(Number(session.scaleValue.toPrecision(2)));
    write(low, signed ? `\u2212${scale}` : "0");
    write(high, scale);
    write(unit, unitOf(session.model, site.texts));
    const canvas = /** @type {HTMLCanvasElement} */ (bar);
    const colours = site.colormaps[signed ? "signed" : colormap].slice(signed ? 1 : 0);
    canvas.width = colours.length;
    canvas.height = 1;
    const image = new ImageData(colours.length, 1);
    colours.forEach((colour, place) => image.data.set([...colour, 255], place * 4));
    /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d")).putImageData(image, 0, 0);
  }
}
