// Teaching: examples arrive, heads are fitted beside, and the newest one is put on between two
// pictures.

import { joined } from "./examples.js";
import { recordOf } from "./learned.js";
import { Lesson } from "./lesson.js";
import { readHead, writeHead } from "./safetensors.js";
import { Store } from "./store.js";
import { Teacher } from "./teacher.js";
import { failureOf, PageError } from "../failures.js";
import { decode } from "../picture.js";
import { roundEven } from "../rounding.js";

/** @typedef {import("./learned.js").Learned} Learned */
/** @typedef {import("./teacher.js").NamedHead} NamedHead */
/** @typedef {import("../session.js").Session} Session */
/** @typedef {import("../session.js").Shown} Shown */
/** @typedef {import("../types.js").Kept} Kept */
/** @typedef {import("../types.js").Model} Model */
/** @typedef {import("../types.js").Teaching} Figures */
/** @typedef {import("../types.js").View} View */

const NEARER = [0.85, 0.7]; // shares of a picture's sides that its views show, beside the whole
const LEAST_SIDE = 8;
const PICTURE_HEIGHT = 72;
const SHORT_HASH = 16;

export class Teaching extends EventTarget {
  /**
   * @param {Session} session
   * @param {Figures} figures
   * @param {URL} base The page's folder.
   */
  constructor(session, figures, base) {
    super();
    this.session = session;
    this.figures = figures;
    const name = `live-gradcam teach ${base.pathname} ${figures.trunk.slice(0, SHORT_HASH)}`;
    const store = new Store(name, (cause) => this.fail(new PageError("failure.not_kept", { cause })));
    this.lesson = new Lesson(figures.features, figures.most_examples, store);
    /** @type {Teacher | null} Made when something is fitted. */
    this.teacher = null;
    /** @type {Omit<NamedHead, "start"> & {start: Float64Array | null} | null} */
    this.head = null;
    /** @type {Learned | null} What the head has learned, as soon as that is known. */
    this.learned = null;
    /** How the last head that was tested was fitted. */
    this.known = { strength: figures.default_strength, temperature: 1 };
    this.fitted = this.lesson.version;
    this.working = false;
    /** The network's own classes are shown, though others were taught. */
    this.own = false;
    this.lesson.addEventListener("changed", () => this.onLesson());
    session.addEventListener("explained", (event) => this.take(/** @type {CustomEvent<Shown>} */ (event).detail));
  }

  changed() {
    this.dispatchEvent(new Event("changed"));
  }

  /** @param {unknown} error */
  fail(error) {
    this.session.dispatchEvent(new CustomEvent("failure", { detail: failureOf(error) }));
  }

  onLesson() {
    if (this.lesson.version !== this.fitted) {
      this.teacher?.changed();
      void this.work();
    }
    this.changed();
  }

  /** @param {string} label */
  begin(label) {
    const { lesson, session } = this;
    // One head is taught on one part of the pictures.
    if (lesson.total && lesson.view) session.state.set({ view: lesson.view });
    session.keeps = true;
    lesson.begin(label, session.state.choices.view);
  }

  end() {
    this.session.keeps = false;
    this.lesson.end();
  }

  /** @param {Shown} shown */
  take({ bitmap, live, explanation }) {
    const { kept } = explanation;
    if (kept && live && this.lesson.open) this.lesson.add(kept, () => smallPicture(bitmap));
  }

  /**
   * Show pictures of a class: each is a burst of its views.
   * @param {string} label
   * @param {File[]} files
   */
  async addPictures(label, files) {
    const { lesson, session } = this;
    for (const file of files) {
      try {
        if (file.type.startsWith("video/")) throw new PageError("failure.picture_is_video", { file: file.name });
        const bitmap = await decode(file, file.name, session.site.settings.max_pixels);
        const picture = smallPicture(bitmap);
        const view = lesson.total && lesson.view ? lesson.view : session.state.choices.view;
        const frames = await this.framesOf(bitmap, view);
        if (!lesson.labels.includes(label) || lesson.isFull) return;
        lesson.begin(label, view);
        for (const frame of frames) lesson.add(frame, () => picture, false);
        lesson.end();
      } catch (error) {
        this.fail(error);
      }
    }
  }

  /**
   * What the network makes of a picture, and of it from nearer. Nothing is mirrored: an arrow to the
   * left is none to the right.
   * @param {ImageBitmap} whole Closed at the end.
   * @param {View} view
   */
  async framesOf(whole, view) {
    await this.session.ready;
    const parts = [whole];
    for (const share of NEARER) {
      const [left, top] = [whole.width, whole.height].map((side) => roundEven((side * (1 - share)) / 2));
      const [width, height] = [whole.width - 2 * left, whole.height - 2 * top];
      if (Math.min(width, height) >= LEAST_SIDE) parts.push(await createImageBitmap(whole, left, top, width, height));
    }
    /** @type {Kept[]} */
    const frames = [];
    for (const part of parts) {
      const { bitmap, explanation, failure } = await this.session.client.explain(-1, part, view, true);
      bitmap.close();
      if (failure) throw new PageError(failure.key, failure.values);
      if (explanation.kept) frames.push(explanation.kept);
    }
    return frames;
  }

  async work() {
    if (this.working) return;
    this.working = true;
    try {
      while (this.fitted !== this.lesson.version) await this.fit();
    } catch (error) {
      this.fitted = this.lesson.version; // another one is tried when something changes
      this.fail(error);
    }
    this.working = false;
    this.changed();
  }

  async fit() {
    const { lesson } = this;
    const { version, examples } = lesson;
    if (examples.labels.length < 2) {
      await this.see();
      this.learned = null;
      this.fitted = version;
      this.putOn(null);
      return;
    }
    this.teacher ??= new Teacher();
    const head = await this.teacher.refit(examples, this.known, this.startOf(examples.labels));
    this.putOn(head);
    await this.see();
    if (lesson.version !== version) return;
    const found = await this.teacher.learn(lesson.examples, this.figures, head.start);
    if (!found || lesson.version !== version) return;
    this.known = { strength: found.head.strength, temperature: found.head.temperature };
    this.learned = found.learned;
    this.fitted = version;
    this.putOn(found.head);
  }

  /** Where the next fit begins: with what is known of the same classes. @param {string[]} labels */
  startOf(labels) {
    const { head } = this;
    if (!head?.start) return null;
    const width = head.start.length / head.labels.length;
    const start = new Float64Array(labels.length * width);
    labels.forEach((label, place) => {
      const known = head.labels.indexOf(label);
      if (known >= 0) start.set(/** @type {Float64Array} */ (head.start).subarray(known * width, (known + 1) * width), place * width);
    });
    return start;
  }

  /** Find what moves in the bursts that have ended. */
  async see() {
    const { lesson, session } = this;
    for (let next = lesson.unseen.shift(); next; next = lesson.unseen.shift()) {
      const { number, frames } = next;
      const [{ layer, width, height }] = frames;
      if (frames.some((frame) => frame.width !== width || frame.height !== height)) continue;
      this.teacher ??= new Teacher();
      const pixels = frames.map((frame) => frame.pixels);
      const seen = await this.teacher.see(pixels, width, height, layer.rows, layer.columns);
      if (!seen) continue;
      const covered = [];
      for (const each of seen.moved) covered.push(await session.client.features(each.covered, width, height));
      lesson.setMoving(number, {
        count: seen.moved.length,
        maps: joined(seen.moved.map((each) => frames[each.index].layer.data)),
        share: joined(seen.moved.map((each) => each.share)),
        covered: joined(covered),
        wall: seen.wall,
      });
    }
  }

  /** @param {Teaching["head"]} head */
  putOn(head) {
    this.head = head;
    if (!head) this.own = false;
    this.show();
    this.changed();
  }

  /** Explain by the taught classes, or by the network's own. */
  show() {
    const { session, head } = this;
    const { client, site } = session;
    const tell = (/** @type {Teaching["head"]} */ given, /** @type {Model} */ model) =>
      void client.useHead(given && { weight: given.weight, bias: given.bias }, model).catch((error) => this.fail(error));
    if (!head || this.own) {
      if (session.model === site.model) return;
      tell(null, site.model);
      session.useModel(site.model);
      return;
    }
    const { labels } = head;
    const same = session.model.taught && session.model.labels.join("\n") === labels.join("\n");
    const model = same ? session.model : this.modelOf(labels);
    model.bias = Array.from(head.bias);
    tell(head, model);
    if (same) session.renew();
    else session.useModel(model);
  }

  /** @param {string[]} labels @returns {Model} */
  modelOf(labels) {
    const { site } = this.session;
    const classes = labels.map((_, index) => index);
    const kind = { method: "gradcam", method_title: this.figures.method_title, unit: "logits" };
    const output = /** @type {const} */ ("softmax");
    const means = { output, class_specific: true, contrasts: true, notes: [], taught: true };
    return { ...site.model, ...kind, ...means, labels, titles: labels, classes, maps: labels.length, bias: null };
  }

  /** Back and forth between the taught classes and the network's own. */
  toggle() {
    if (!this.head) return;
    this.own = !this.own;
    this.show();
    this.changed();
  }

  /** The head as a file's content; null where nothing is taught. */
  file() {
    const { head, figures, learned, lesson, session } = this;
    if (!head) return null;
    const view = JSON.stringify(lesson.view ?? session.state.choices.view);
    const record = learned ? recordOf(learned, session.site.texts) : {};
    return writeHead(head, { ...figures.facts, view, learned: JSON.stringify(record) });
  }

  /**
   * Put on a head that was saved, here or by Python.
   * @param {File} file
   */
  async openFile(file) {
    const { session, figures } = this;
    const { facts, weight, bias, labels } = readHead(await file.arrayBuffer(), file.name, figures);
    const view = JSON.parse(facts.view);
    if (session.site.preprocessing.views.includes(view)) session.state.set({ view });
    this.own = false;
    this.learned = null;
    this.putOn({ weight, bias, labels, strength: figures.default_strength, temperature: 1, start: null });
    return labels;
  }

  async forget() {
    this.end();
    this.known = { strength: this.figures.default_strength, temperature: 1 };
    this.putOn(null);
    await this.lesson.forget();
  }
}

/** A small picture as an address of its own. @param {ImageBitmap} bitmap */
function smallPicture(bitmap) {
  const canvas = document.createElement("canvas");
  canvas.height = PICTURE_HEIGHT;
  canvas.width = Math.max(1, Math.min(2 * PICTURE_HEIGHT, Math.round((bitmap.width * PICTURE_HEIGHT) / bitmap.height)));
  const brush = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  brush.imageSmoothingQuality = "high";
  brush.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/jpeg", 0.8);
}
