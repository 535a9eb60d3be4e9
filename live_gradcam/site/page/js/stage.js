// The canvases that the explained picture stands on, and the spot that is pointed at.

import { hottestArea } from "./removal.js";
import { drawExplained, LONGEST_SIDE } from "./drawing.js";
import { asContrast, spotAt } from "./evidence.js";
import { describeSpot } from "./answers.js";
import { find, write } from "./document.js";

/** @typedef {import("./session.js").Session} Session */
/** @typedef {import("./session.js").Shown} Shown */
/** @typedef {import("./evidence.js").Spot} Spot */
/** @typedef {import("./types.js").Reading} Reading */

/** @type {Record<string, [number, number]>} */
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Stage {
  /** @param {Session} session */
  constructor(session) {
    this.session = session;
    this.site = session.site;
    this.list = find("tiles", HTMLElement);
    this.words = find("spot", HTMLElement);
    this.picture = document.createElement("canvas");
    /** @type {{x: number, y: number, tile: number} | null} In pixels of the picture, on one of the tiles. */
    this.point = null;
    /** @type {{number: number, question: string, mask: Uint8Array} | null} Of a picture that was not tested. */
    this.hottest = null;
    this.awaited = false;
    /** @type {Spot | null} */
    this.spot = null;
    session.addEventListener("explained", (event) => this.take(/** @type {CustomEvent<Shown>} */ (event).detail));
    session.addEventListener("shown", () => this.draw());
    this.list.addEventListener("pointermove", (event) => this.pointAt(event));
    this.list.addEventListener("pointerdown", (event) => this.pointAt(event));
    this.list.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && this.forget());
    this.list.addEventListener("keydown", (event) => this.onKey(event));
  }

  /** @param {Shown} shown */
  take({ bitmap, live, frozen }) {
    const factor = Math.min(1, LONGEST_SIDE / Math.max(bitmap.width, bitmap.height));
    const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * factor)));
    if (this.picture.width !== width) this.picture.width = width;
    if (this.picture.height !== height) this.picture.height = height;
    const brush = /** @type {CanvasRenderingContext2D} */ (this.picture.getContext("2d"));
    brush.fillStyle = "white"; // as the network sees what is transparent
    brush.fillRect(0, 0, width, height);
    brush.imageSmoothingQuality = "high";
    brush.drawImage(bitmap, 0, 0, width, height);
    if (!live && !frozen) this.point = null;
  }

  /** Draw before the browser shows the next frame: a pointer moves more often than that. */
  drawSoon() {
    if (this.awaited) return;
    this.awaited = true;
    requestAnimationFrame(() => {
      this.awaited = false;
      this.draw();
    });
  }

  draw() {
    const { session } = this;
    const { shown, tiles } = session;
    if (!shown) return;
    this.ask();
    const { choices } = session.state;
    const reading = this.marked();
    this.list.dataset.count = String(tiles.length);
    this.fit(tiles.length);
    tiles.forEach(({ title, map, index, bare }, place) => {
      const figure = /** @type {HTMLElement} */ (this.list.children[place]);
      const canvas = /** @type {HTMLCanvasElement} */ (figure.firstElementChild);
      const drawn = {
        picture: this.picture,
        explanation: shown.explanation,
        map,
        choices,
        reading: index === session.index && !bare ? reading : null,
        scale: session.scaleValue,
        cell: this.spot?.cell ?? null,
        bare: bare || choices.layout === "plain",
      };
      drawExplained(canvas, drawn, this.site);
      canvas.setAttribute("aria-label", title);
      write(/** @type {HTMLElement} */ (figure.lastElementChild), title);
    });
  }

  /**
   * What the truth meter marks: the area that it hid, or on another picture of the same film the
   * one that it would hide.
   * @returns {Reading | null}
   */
  marked() {
    const { reading: found, shown, map } = this.session;
    if (!found?.reading.mask || !shown || found.number === shown.number) return found?.reading ?? null;
    if (!map || !map.values.some((value) => value > 0)) return { ...found.reading, mask: null };
    const { number } = shown;
    if (this.hottest?.number !== number || this.hottest.question !== found.question) {
      const mask = hottestArea(map, this.site.figures.removal);
      this.hottest = { number, question: found.question, mask };
    }
    return { ...found.reading, mask: this.hottest.mask };
  }

  /** @param {number} count */
  fit(count) {
    while (this.list.children.length < count) {
      const figure = document.createElement("figure");
      const canvas = document.createElement("canvas");
      canvas.tabIndex = 0;
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-describedby", "spot");
      figure.append(canvas, document.createElement("figcaption"));
      this.list.append(figure);
    }
    while (this.list.children.length > count) this.list.lastElementChild?.remove();
  }

  /** @param {PointerEvent} event */
  pointAt(event) {
    const canvas = event.target;
    const { shown } = this.session;
    if (!(canvas instanceof HTMLCanvasElement) || !shown) return;
    const { width, height } = shown.explanation;
    this.point = {
      x: Math.floor((event.offsetX / canvas.clientWidth) * width),
      y: Math.floor((event.offsetY / canvas.clientHeight) * height),
      tile: this.placeOf(canvas),
    };
    this.drawSoon();
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    const step = STEPS[event.key];
    const { shown } = this.session;
    if (!step || !shown || !(event.target instanceof HTMLCanvasElement)) return;
    event.preventDefault();
    event.stopPropagation();
    const { region, evidence } = shown.explanation;
    const [wide, tall] = [region.width / evidence.columns, region.height / evidence.rows];
    const from = this.point ?? { x: region.x + region.width / 2 - step[0] * wide, y: region.y + region.height / 2 - step[1] * tall };
    const inside = (/** @type {number} */ value, /** @type {number} */ start, /** @type {number} */ length) =>
      Math.min(start + length - 1, Math.max(start, value));
    this.point = {
      x: inside(from.x + step[0] * wide, region.x, region.width),
      y: inside(from.y + step[1] * tall, region.y, region.height),
      tile: this.placeOf(event.target),
    };
    this.draw();
  }

  /** @param {HTMLCanvasElement} canvas */
  placeOf(canvas) {
    return [...this.list.children].findIndex((figure) => figure.contains(canvas));
  }

  forget() {
    this.point = null;
    this.drawSoon();
  }

  /** Ask the spot that is pointed at about the class whose map it is on. */
  ask() {
    const { shown, index, tiles, contrast, model } = this.session;
    const { point } = this;
    const tile = point && tiles[point.tile];
    this.spot = point && shown ? spotAt(shown.explanation, model.labels, tile?.index ?? index, point.x, point.y) : null;
    if (this.spot && contrast?.map) {
      const value = contrast.map.values[this.spot.place];
      this.spot = asContrast(this.spot, { index, label: contrast.title, value });
    }
    write(this.words, point && shown ? describeSpot(this.spot, model, this.site) : "");
  }
}
