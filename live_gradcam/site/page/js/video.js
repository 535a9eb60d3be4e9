// A video file: played, explained while it plays, and exactly where it is paused.

import { find } from "./document.js";
import { PageError } from "./failures.js";
import { grab, watchFrames } from "./frames.js";

/** @typedef {import("./picture.js").Taker} Taker */

const LONGEST_SIDE = 1280; // while it plays; what stands still is explained in its own size

export class VideoSource {
  /** @param {Taker} taker @param {() => void} onLive Live pictures begin. */
  constructor(taker, onLive) {
    this.taker = taker;
    this.onLive = onLive;
    this.video = find("film", HTMLVideoElement);
    this.address = "";
    this.name = "";
    /** Its tab is open: only then is anything of it shown. */
    this.active = false;
    this.grabbing = false;
    /** A frame has come that was not grabbed. */
    this.fresh = false;
    this.missed = false;
    /** @type {number | null} Time of the frame that is shown, where the browser says it. */
    this.seconds = null;
    /** @type {number | null} Time of the frame that was explained as it stands. */
    this.explained = null;
    const input = find("video-file", HTMLInputElement);
    input.addEventListener("change", () => {
      const [file] = input.files ?? [];
      if (file) this.open(file);
      input.value = "";
    });
    this.video.addEventListener("error", () => {
      if (this.address) this.refuse();
    });
    this.video.addEventListener("loadeddata", () => {
      if (!this.video.videoWidth) this.refuse();
      else void this.sendStill();
    });
    // What stands still is explained as it stands.
    for (const name of ["pause", "seeked"]) this.video.addEventListener(name, () => void this.sendStill());
    this.video.addEventListener("play", () => {
      this.explained = null;
      if (this.active) this.onLive();
    });
    watchFrames(this.video, (seconds) => this.onFrame(seconds));
    taker.onFree(() => this.fresh && void this.sendMoving());
  }

  refuse() {
    const { name } = this;
    this.close();
    this.taker.fail(new PageError("failure.video", { file: name }));
  }

  /** @param {File} file */
  open(file) {
    this.close();
    this.name = file.name;
    this.address = URL.createObjectURL(file);
    this.video.src = this.address;
    this.video.hidden = false;
    this.video.load();
    this.taker.say("");
  }

  /** @param {boolean} active The tab is open. */
  setActive(active) {
    this.active = active;
    this.explained = null;
    if (active) void this.sendStill();
    else this.video.pause();
  }

  /** @param {number | null} seconds */
  onFrame(seconds) {
    if (seconds !== null) this.seconds = seconds;
    if (!this.video.paused) {
      this.fresh = true;
      void this.sendMoving();
    } else if (seconds !== null) void this.sendStill();
  }

  get shows() {
    return this.active && this.address !== "" && this.video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA;
  }

  async sendMoving() {
    if (!this.shows || this.video.paused || this.grabbing || !this.taker.isFree()) return;
    await this.send(true, this.seconds ?? this.video.currentTime);
  }

  /** Explain the frame that stands still, once. */
  async sendStill() {
    if (!this.shows || !this.video.paused) return;
    const seconds = this.seconds ?? this.video.currentTime;
    if (seconds === this.explained) return;
    if (this.grabbing) this.missed = true;
    else await this.send(false, seconds);
  }

  /** @param {boolean} live @param {number} seconds */
  async send(live, seconds) {
    const { address, video, name } = this;
    this.grabbing = true;
    this.fresh = false;
    try {
      const original = { width: video.videoWidth, height: video.videoHeight };
      const bitmap = await grab(video, live ? LONGEST_SIDE : Infinity, false);
      const frozen = !live && this.explained === null; // it was paused, not moved
      if (!bitmap || address !== this.address || !this.active || live === video.paused) bitmap?.close();
      else {
        this.explained = live ? null : seconds;
        this.taker.offer({ bitmap, name, live, frozen, seconds, original });
      }
    } catch (error) {
      if (address === this.address) this.taker.fail(error);
    } finally {
      this.grabbing = false;
    }
    if (this.missed) {
      this.missed = false;
      await this.sendStill();
    }
  }

  /** Play or pause. */
  toggle() {
    if (!this.address) return;
    // Pausing again at once is no failure.
    if (this.video.paused) this.video.play().catch(() => {});
    else this.video.pause();
  }

  close() {
    if (!this.address) return;
    URL.revokeObjectURL(this.address);
    this.address = "";
    this.seconds = this.explained = null;
    this.video.pause();
    this.video.removeAttribute("src");
    this.video.load();
    this.video.hidden = true;
  }
}
