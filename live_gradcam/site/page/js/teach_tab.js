// The tab on which visitors teach: a class is shown while its button is held.

import { CameraSource } from "./camera.js";
import { find, write } from "./document.js";
import { ClassRow } from "./teaching/class_row.js";
import { confused, headlineOf, sentencesOf } from "./teaching/learned.js";
import { Teaching } from "./teaching/teaching.js";
import { text } from "./texts.js";
import { percent } from "./wording.js";

/** @typedef {import("./picture.js").Taker} Taker */
/** @typedef {import("./session.js").Session} Session */
/** @typedef {import("./types.js").Teaching} Figures */

const NOTHING_MS = 1500; // each of the two bursts of nothing that teaching begins with
const FEWEST_FRAMES = 2;
const TAP_MS = 1000; // what a press teaches that is no holding
const MOST_CONFUSED = 3;
const LONGEST_NAME = 60;
const FILE = "taught.safetensors";

/** Take the tab away where nothing can be taught. */
export function removeTeaching() {
  find("tab-teach", HTMLElement).remove();
  find("panel-teach", HTMLElement).remove();
}

export class TeachTab {
  /**
   * @param {Session} session
   * @param {Figures} figures
   * @param {URL} base The page's folder.
   * @param {Taker} taker
   * @param {() => void} onLive Live pictures begin.
   */
  constructor(session, figures, base, taker, onLive) {
    this.session = session;
    this.figures = figures;
    this.taker = taker;
    this.teaching = new Teaching(session, figures, base);
    this.camera = new CameraSource(session.state, taker, () => (onLive(), this.beginWithNothing()), "teach");
    this.panel = find("panel-teach", HTMLElement);
    this.list = find("teach-classes", HTMLElement);
    /** @type {ClassRow[]} */
    this.rows = [];
    /** @type {Promise<void> | null} What was taught earlier is there. */
    this.restored = null;
    /** Said until something else happens. */
    this.said = "";
    /** @type {string | null} The class that is being shown. */
    this.held = null;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.automatic = false;
    this.teaching.addEventListener("changed", () => this.draw());
    const press = (/** @type {string} */ id, /** @type {() => void} */ doing) =>
      find(id, HTMLButtonElement).addEventListener("click", doing);
    press("teach-add", () => this.addClass());
    press("teach-undo", () => this.undo());
    press("teach-own", () => this.teaching.toggle());
    press("teach-save", () => this.save());
    press("teach-forget", () => void this.forget());
    const input = find("teach-file", HTMLInputElement);
    input.addEventListener("change", () => {
      const [file] = input.files ?? [];
      if (file) void this.openFile(file);
      input.value = "";
    });
    // Before the page's own keys, which the digits are, too.
    document.addEventListener("keydown", (event) => this.onKey(event), true);
    document.addEventListener("keyup", (event) => this.onKeyUp(event), true);
    window.addEventListener("blur", () => this.release());
  }

  get lesson() {
    return this.teaching.lesson;
  }

  get isOpen() {
    return !this.panel.hidden;
  }

  /** The tab is shown. */
  enter() {
    this.restored ??= this.restore();
  }

  /** Another tab is shown; what was taught stays on. */
  leave() {
    this.release();
    this.camera.stop();
  }

  async restore() {
    await this.lesson.restore();
    const { bursts, total, labels, examples } = this.lesson;
    if (!labels.length) {
      this.lesson.addClass(this.figures.anything_else);
      this.lesson.addClass(text("teach.class", { number: 1 }));
    }
    if (bursts.length) this.said = text("teach.restored", { classes: examples.labels.length, examples: total });
    this.draw();
  }

  /** So that an empty table is none of the classes: the first seconds, as two bursts. */
  beginWithNothing() {
    if (this.lesson.total || this.held) return;
    let bursts = 2;
    const next = () => {
      // A slow machine sees little in that time.
      const few = this.lesson.open && this.lesson.open.features.length < FEWEST_FRAMES;
      if (few) {
        this.timer = setTimeout(next, NOTHING_MS);
        return;
      }
      this.automatic = bursts > 0;
      if (!bursts) this.release();
      else this.hold(this.figures.anything_else);
      bursts -= 1;
      if (this.automatic) this.timer = setTimeout(next, NOTHING_MS);
    };
    const first = () => {
      if (!this.camera.stream || this.held) return;
      this.automatic = true;
      next();
    };
    // The seconds count from the first picture on.
    this.session.addEventListener("explained", first, { once: true });
  }

  /** @param {string} label */
  hold(label) {
    const { automatic } = this;
    if (!automatic || label !== this.figures.anything_else) this.automatic = false;
    if (!this.automatic) clearTimeout(this.timer);
    this.said = "";
    if (this.lesson.isFull) {
      this.say(text("teach.full", { count: this.figures.most_examples }));
      return;
    }
    this.held = label;
    this.teaching.begin(label);
  }

  release() {
    clearTimeout(this.timer);
    this.automatic = false;
    if (this.held === null) return;
    const label = this.held;
    this.held = null;
    const none = !this.lesson.open?.features.length;
    this.teaching.end();
    if (none) this.say(text("teach.no_pictures", { label }));
    else this.draw();
  }

  /** Teach for a second: for those who cannot hold. @param {string} label */
  tap(label) {
    this.hold(label);
    this.timer = setTimeout(() => this.release(), TAP_MS);
  }

  addClass() {
    const { labels } = this.lesson;
    if (this.ordinary.length >= this.figures.most_classes) {
      this.say(text("teach.full_classes", { count: this.figures.most_classes }));
      return;
    }
    let number = this.ordinary.length + 1;
    while (labels.includes(text("teach.class", { number }))) number += 1;
    this.lesson.addClass(text("teach.class", { number }));
    this.rows.at(-1)?.editName();
  }

  /** The classes but for that of everything else. */
  get ordinary() {
    return this.lesson.labels.filter((label) => label !== this.figures.anything_else);
  }

  /**
   * What is wrong with a name of a class; empty if nothing is.
   * @param {string} label
   * @param {string} name
   */
  problemOf(label, name) {
    if (!name) return text("failure.name_empty");
    if (name.length > LONGEST_NAME) return text("failure.name_long", { most: LONGEST_NAME });
    const taken = name !== label && [this.figures.anything_else, ...this.lesson.labels].includes(name);
    return taken ? text("failure.name_taken", { label: name }) : "";
  }

  undo() {
    this.release();
    const last = this.lesson.undo();
    this.say(last ? text("teach.taken_back", { count: last.count, label: last.label }) : text("teach.nothing_back"));
  }

  save() {
    const content = this.teaching.file();
    if (!content) return;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([content], { type: "application/octet-stream" }));
    link.download = FILE;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), TAP_MS);
    this.say(text("teach.saved", { file: FILE }));
  }

  /** @param {File} file */
  async openFile(file) {
    try {
      const labels = await this.teaching.openFile(file);
      this.say(text("teach.opened", { file: file.name, count: labels.length }));
    } catch (error) {
      this.taker.fail(error);
    }
  }

  async forget() {
    this.release();
    await this.teaching.forget();
    await this.restore();
    this.say(text("teach.forgotten"));
  }

  /** @param {string} words */
  say(words) {
    this.said = words;
    this.draw();
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    const { target, key } = event;
    const typing = target instanceof HTMLElement && target.matches("input:not([type=checkbox], [type=radio]), select, textarea, dialog *");
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const doing = this.actionOf(key);
    if (!doing) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (!event.repeat) doing();
  }

  /** @param {string} key @returns {(() => void) | null} */
  actionOf(key) {
    if (key.toLowerCase() === "o" && this.teaching.head) return () => this.teaching.toggle();
    if (!this.isOpen) return null;
    if (/^[0-9]$/.test(key)) {
      const label = key === "0" ? this.figures.anything_else : this.ordinary[Number(key) - 1];
      return () => label !== undefined && this.hold(label);
    }
    if (key === "Backspace") return () => this.undo();
    return key === "+" || key === "=" ? () => this.addClass() : null;
  }

  /** @param {KeyboardEvent} event */
  onKeyUp(event) {
    if (/^[0-9]$/.test(event.key) && this.held !== null && !this.automatic) this.release();
  }

  draw() {
    const { lesson, teaching } = this;
    const labels = [this.figures.anything_else, ...this.ordinary];
    while (this.rows.length > labels.length) this.rows.pop()?.element.remove();
    labels.forEach((label, place) => {
      const row = (this.rows[place] ??= this.newRow(place));
      row.show(label, {
        held: this.held === label,
        count: lesson.count(label),
        pictures: lesson.bursts.filter((burst) => burst.label === label).map((burst) => burst.picture),
        accuracy: teaching.learned?.classes.find((each) => each.label === label)?.accuracy ?? null,
      });
    });
    const own = find("teach-own", HTMLButtonElement);
    const count = teaching.own ? (teaching.head?.labels.length ?? 0) : this.session.site.model.labels.length;
    own.hidden = !teaching.head;
    write(own, text(teaching.own ? "teach.show_taught" : "teach.show_own", { count }));
    find("teach-save", HTMLButtonElement).disabled = !teaching.head;
    find("teach-undo", HTMLButtonElement).disabled = !lesson.bursts.length && !lesson.open;
    find("teach-forget", HTMLButtonElement).disabled = !lesson.bursts.length && !teaching.head;
    write(find("teach-line", HTMLElement), this.line());
    this.list.setAttribute("aria-busy", String(teaching.working));
    this.drawLearned();
  }

  /** @param {number} place */
  newRow(place) {
    const row = new ClassRow(place, {
      hold: (label) => this.hold(label),
      release: () => this.release(),
      tap: (label) => this.tap(label),
      rename: (label, name) => {
        const problem = this.problemOf(label, name);
        if (!problem && name !== label) this.lesson.renameClass(label, name);
        return problem;
      },
      remove: (label) => this.lesson.removeClass(label),
      addPictures: (label, files) => {
        this.said = "";
        void this.teaching.addPictures(label, files);
      },
    });
    this.list.append(row.element);
    return row;
  }

  /** What is going on, in one sentence. */
  line() {
    const { lesson, teaching } = this;
    if (this.automatic) return text("teach.nothing_first");
    if (this.held !== null) return text("teach.showing", { label: this.held });
    if (this.said) return this.said;
    if (!lesson.total && !teaching.head) return text("teach.begin");
    if (teaching.working) return text("teach.learning");
    if (lesson.total && lesson.examples.labels.length < 2) return text("teach.second");
    const { learned } = teaching;
    const headline = learned ? headlineOf(learned, this.session.site.texts) : "";
    return headline ? asSentence(headline) : text("teach.untested");
  }

  drawLearned() {
    const { learned, working } = this.teaching;
    const list = find("teach-learned", HTMLElement);
    if (working && learned) return; // it stays until the next one is known
    const sentences = learned ? this.sentences(learned) : [];
    while (list.children.length > sentences.length) list.lastElementChild?.remove();
    sentences.forEach((sentence, place) => {
      const item = /** @type {HTMLElement} */ (list.children[place] ?? list.appendChild(document.createElement("li")));
      write(item, asSentence(sentence));
    });
    list.hidden = !sentences.length;
  }

  /** @param {import("./teaching/learned.js").Learned} learned */
  sentences(learned) {
    const { texts } = this.session.site;
    const mistaken = confused(learned).slice(0, MOST_CONFUSED);
    return [
      ...sentencesOf(learned, texts),
      ...mistaken.map(({ truth, said, count, asked }) => text("learned.confused", { truth, said, count, asked })),
      ...learned.classes.flatMap(({ label, movingShare }) =>
        movingShare === null ? [] : [text("learned.moving", { label, share: percent(movingShare) })],
      ),
    ];
  }
}

/** @param {string} words */
function asSentence(words) {
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}.`;
}
