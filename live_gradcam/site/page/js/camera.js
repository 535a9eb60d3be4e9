// The camera: its picture never leaves this page.

import { find } from "./document.js";
import { PageError } from "./failures.js";
import { grab, watchFrames } from "./frames.js";
import { text } from "./texts.js";

/** @typedef {import("./picture.js").Taker} Taker */
/** @typedef {import("./state.js").State} State */

const LONGEST_SIDE = 1280;
const WANTED = { width: { ideal: 640 }, height: { ideal: 480 } };

/** @type {Record<string, string>} */
const REFUSALS = {
  NotAllowedError: "failure.camera_refused",
  SecurityError: "failure.camera_refused",
  NotFoundError: "failure.camera_absent",
  OverconstrainedError: "failure.camera_absent",
  NotReadableError: "failure.camera_taken",
  AbortError: "failure.camera_taken",
};

export class CameraSource {
  /**
   * @param {State} state
   * @param {Taker} taker
   * @param {() => void} onLive Live pictures begin.
   * @param {string} [place] What the names of its buttons begin with.
   */
  constructor(state, taker, onLive, place = "camera") {
    this.state = state;
    this.taker = taker;
    this.onLive = onLive;
    this.button = find(`${place}-start`, HTMLButtonElement);
    this.freezer = find(`${place}-freeze`, HTMLButtonElement);
    this.turner = find(`${place}-turn`, HTMLButtonElement);
    this.facing = "user";
    /** @type {MediaStream | null} */
    this.stream = null;
    /** The browser is asked for the camera, and may ask the visitor. */
    this.asking = false;
    this.frozen = false;
    this.run = 0;
    this.grabbing = false;
    /** A frame has come that was not grabbed. */
    this.fresh = false;
    this.stopWatching = () => {};
    this.video = document.createElement("video");
    this.video.muted = true;
    this.video.playsInline = true;
    this.button.addEventListener("click", () => (this.stream || this.asking ? this.stop() : void this.start()));
    this.freezer.addEventListener("click", () => this.freeze());
    this.turner.addEventListener("click", () => this.turn());
    taker.onFree(() => this.fresh && void this.send(this.run));
    this.showButtons();
  }

  async start() {
    const run = ++this.run;
    this.asking = true;
    this.showButtons();
    this.taker.say(text("camera.waiting"));
    try {
      if (!navigator.mediaDevices?.getUserMedia) throw new PageError("failure.camera_insecure");
      const stream = await navigator.mediaDevices.getUserMedia({
        video: { ...WANTED, facingMode: { ideal: this.facing } },
        audio: false,
      });
      if (run !== this.run) {
        stream.getTracks().forEach((track) => track.stop()); // stopped again meanwhile
        return;
      }
      this.stream = stream;
      this.asking = false;
      const [track] = stream.getVideoTracks();
      track.addEventListener("ended", () => {
        if (this.stream !== stream) return;
        this.stop();
        this.taker.fail(new PageError("failure.camera_gone"));
      });
      this.video.srcObject = stream;
      await this.video.play();
      if (run !== this.run) return;
      this.taker.say("");
      this.stopWatching = watchFrames(this.video, () => {
        this.fresh = true;
        void this.send(run);
      });
      this.onLive();
    } catch (error) {
      if (run !== this.run) return;
      this.stop();
      this.taker.fail(refusal(error));
    }
    this.showButtons();
  }

  /** @param {number} run */
  async send(run) {
    if (!this.stream || this.frozen || this.grabbing || run !== this.run || !this.taker.isFree()) return;
    this.grabbing = true;
    this.fresh = false;
    try {
      const bitmap = await grab(this.video, LONGEST_SIDE, this.state.choices.mirror);
      if (!bitmap) return;
      const { videoWidth: width, videoHeight: height } = this.video;
      const incoming = { bitmap, name: "camera", live: true, seconds: null, original: { width, height } };
      if (run === this.run && !this.frozen) this.taker.offer(incoming);
      else bitmap.close();
    } catch (error) {
      if (run === this.run) this.taker.fail(error);
    } finally {
      this.grabbing = false;
    }
  }

  freeze() {
    if (!this.stream) return;
    this.frozen = !this.frozen;
    if (this.frozen) this.taker.settle();
    this.showButtons();
  }

  turn() {
    this.facing = this.facing === "user" ? "environment" : "user";
    if (!this.stream) return;
    this.stop();
    void this.start();
  }

  /** The last picture stays, as a still. */
  stop() {
    this.run += 1;
    if (this.asking) this.taker.say("");
    this.asking = false;
    if (this.stream) this.taker.settle();
    this.stopWatching();
    this.stream?.getTracks().forEach((track) => track.stop());
    this.stream = null;
    this.frozen = false;
    this.video.srcObject = null;
    this.showButtons();
  }

  showButtons() {
    this.button.textContent = text(this.stream ? "camera.stop" : this.asking ? "camera.cancel" : "camera.start");
    this.freezer.textContent = text(this.frozen ? "camera.go_on" : "camera.freeze");
    this.freezer.disabled = !this.stream;
  }
}

/** @param {unknown} error */
function refusal(error) {
  const key = error instanceof DOMException ? REFUSALS[error.name] : undefined;
  // Inside another page it is that page, too, that may have refused.
  if (key === "failure.camera_refused" && window.self !== window.top) return new PageError("failure.camera_framed");
  if (key) return new PageError(key);
  return error instanceof PageError ? error : new PageError("failure.camera", { cause: String(error) });
}
