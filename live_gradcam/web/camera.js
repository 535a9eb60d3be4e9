// A camera's tab: posts frames to the page's own server and shows the explained ones.
// At most two frames are on their way at any time, so that lag cannot build up.
(() => {
  "use strict";

  const MOST_ON_THE_WAY = 2;
  const LONGEST_SIDE = 640;
  const WIDTH_STEP = 160; // pictures are asked for in widths of so many pixels
  const JUDGE_EVERY_MS = 4000;
  const STAY_EVERY_MS = 10000; // a frozen picture is sent again, or the server forgets the camera

  const cameras = []; // of all tabs; one runs at a time

  const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

  async function sentence(answer) {
    try {
      return (await answer.json()).detail;
    } catch {
      return `The page's server answers ${answer.status}.`;
    }
  }

  function why(error) {
    if (error.name === "NotAllowedError") return "The browser does not allow this page to use the camera.";
    if (error.name === "NotFoundError") return "The browser finds no camera.";
    if (error.name === "NotReadableError") return "Another program uses the camera.";
    return "The camera cannot be opened.";
  }

  // Two digits are enough for a name that sorts.
  function stamp() {
    const two = (value) => String(value).padStart(2, "0");
    const now = new Date();
    const day = [now.getFullYear(), now.getMonth() + 1, now.getDate()].map(two).join("");
    return `${day}-${[now.getHours(), now.getMinutes(), now.getSeconds()].map(two).join("")}`;
  }

  // A start that is refused, in a sentence for visitors.
  class Refusal extends Error {}

  // The camera of one tab, whose elements have ids that begin with a prefix. A tab may add to it:
  // - prepare(): awaited before the camera starts; throws an Error whose message is shown
  // - asked(): what is asked of a frame, beside its settings
  // - sent(canvas): a frame was sent, as it is drawn there
  // - shown(explanation): a frame came back
  // - stopped(): the camera has stopped
  function makeCamera(prefix, tab = {}) {
    const settings = { mirror: false }; // the server has the defaults of all others
    let running = null; // the run that is shown; every start makes a new one
    let spot = null; // the part of the picture that is asked, [x, y] in 0..1

    const find = (part) => document.getElementById(`${prefix}-${part}`);
    const say = (text) => {
      const line = find("message");
      if (line) line.textContent = text;
    };

    class Run {
      constructor(stream, name) {
        this.stream = stream;
        this.name = name;
        this.onTheWay = 0;
        this.next = 0;
        this.shown = -1;
        this.times = [];
        this.encoding = false;
        this.frozen = null; // the picture that is kept, as it was sent
        this.since = 0; // number of the first frame that is the frozen picture
        this.sent = null;
        this.judged = 0;
        this.judging = false;
        this.aborter = new AbortController();
        this.video = document.createElement("video");
        this.video.muted = true;
        this.video.playsInline = true;
        this.canvas = document.createElement("canvas");
      }

      get alive() {
        return running === this;
      }

      async play() {
        this.video.srcObject = this.stream;
        await this.video.play();
        for (const track of this.stream.getVideoTracks()) {
          track.addEventListener("ended", () => this.alive && stop("The camera is gone."));
        }
        this.staying = setInterval(() => this.frozen && this.ask(), STAY_EVERY_MS);
        this.wait();
      }

      end() {
        clearInterval(this.staying);
        this.stream.getTracks().forEach((track) => track.stop());
        this.aborter.abort(); // nobody waits for what is on its way
      }

      freeze() {
        this.frozen = this.frozen ? null : this.sent;
        this.since = this.next;
        this.judged = 0;
        this.say("", this.explained);
        if (this.frozen) this.ask();
        showButtons();
      }

      // Explains the frozen picture again: something was asked or changed.
      async ask() {
        while (this.alive && this.onTheWay >= MOST_ON_THE_WAY) await pause(30);
        if (this.alive && this.frozen) await this.post(this.frozen);
      }

      wait() {
        if (!this.alive) return;
        const again = () => {
          this.send();
          this.wait();
        };
        if (this.video.requestVideoFrameCallback) this.video.requestVideoFrameCallback(again);
        else setTimeout(again, 30);
      }

      capture() {
        const { videoWidth: width, videoHeight: height } = this.video;
        const factor = Math.min(1, LONGEST_SIDE / Math.max(width, height));
        this.canvas.width = Math.round(width * factor);
        this.canvas.height = Math.round(height * factor);
        const brush = this.canvas.getContext("2d", { alpha: false, willReadFrequently: true });
        if (settings.mirror) brush.setTransform(-1, 0, 0, 1, this.canvas.width, 0);
        brush.drawImage(this.video, 0, 0, this.canvas.width, this.canvas.height);
        return new Promise((done) => this.canvas.toBlob(done, "image/jpeg", 0.85));
      }

      async send() {
        if (!this.alive || this.frozen || this.encoding || this.onTheWay >= MOST_ON_THE_WAY) return;
        if (!this.video.videoWidth) return;
        this.encoding = true;
        const frame = await this.capture();
        this.encoding = false;
        if (!this.alive || this.frozen || !frame) return;
        this.sent = frame;
        tab.sent?.(this.canvas);
        await this.post(frame);
      }

      async post(frame) {
        const began = performance.now();
        const number = this.next++;
        this.onTheWay += 1;
        try {
          const { mirror, ...asked } = settings;
          const stage = find("stage").clientWidth * devicePixelRatio;
          const width = Math.max(WIDTH_STEP, Math.ceil(stage / WIDTH_STEP) * WIDTH_STEP);
          const more = { ...asked, ...tab.asked?.() };
          const query = new URLSearchParams({ n: String(number), width: String(width), ...more });
          if (spot) {
            query.set("x", spot[0].toFixed(4));
            query.set("y", spot[1].toFixed(4));
          }
          const answer = await fetch(`live/camera/${this.name}?${query}`, {
            method: "POST",
            body: frame,
            headers: { "content-type": "image/jpeg" },
            signal: this.aborter.signal,
          });
          await this.receive(answer, number, began);
        } catch (error) {
          if (this.alive) stop("The page's server does not answer any more.");
        } finally {
          this.onTheWay -= 1;
        }
      }

      async receive(answer, number, began) {
        if (answer.status === 204 || !this.alive) return;
        if (!answer.ok) {
          const text = await sentence(answer);
          if (answer.status === 422) say(text);
          else if (this.alive) stop(text);
          return;
        }
        const explanation = JSON.parse(decodeURIComponent(answer.headers.get("x-explanation")));
        const image = await createImageBitmap(await answer.blob());
        // What was on its way when the picture was frozen is another picture.
        const wanted = this.alive && number > this.shown && !(this.frozen && number < this.since);
        if (wanted) {
          this.shown = number;
          this.judge();
          this.show(image, explanation, performance.now() - began);
        }
        image.close();
      }

      // Asks now and then whether the coloured places matter; at once for a frozen picture.
      async judge() {
        const due = this.judged + (this.frozen ? 0 : JUDGE_EVERY_MS);
        if (this.judging || performance.now() < due || (this.frozen && this.judged)) return;
        this.judging = true;
        this.judged = performance.now();
        const frozen = this.frozen;
        try {
          const answer = await fetch(`live/camera/${this.name}/verdict`, {
            method: "POST",
            signal: this.aborter.signal,
          });
          if (answer.status === 204) this.judged = 0;
          else if (answer.ok) {
            const { verdict, about } = await answer.json();
            if (!this.alive || frozen !== this.frozen) return;
            if (about === this.explained) this.say(verdict, about);
            else this.judged = 0;
          }
        } catch {
          // the next frame says what is wrong
        } finally {
          this.judging = false;
          if (this.alive && frozen !== this.frozen) {
            this.judged = 0; // it was about a picture that is not shown any more
            if (this.frozen && this.shown >= this.since) this.judge();
          }
        }
      }

      // A verdict is shown only as long as its class is.
      say(verdict, about) {
        this.about = about;
        setText("verdict", verdict);
      }

      show(image, explanation, latency) {
        const canvas = find("picture");
        if (!canvas) return;
        if (canvas.width !== image.width) canvas.width = image.width;
        if (canvas.height !== image.height) canvas.height = image.height;
        canvas.getContext("2d", { alpha: false }).drawImage(image, 0, 0);
        find("stage").dataset.state = "live";
        const now = performance.now();
        this.times.push(now);
        while (this.times.length > 2 && now - this.times[0] > 1000) this.times.shift();
        const span = now - this.times[0];
        const rate = span > 0 ? ((this.times.length - 1) * 1000) / span : 0;
        find("rate").textContent = this.frozen
          ? "frozen"
          : `${rate.toFixed(1)} FPS · ${Math.round(latency)} ms`;
        setText("sentence", explanation.sentence);
        this.explained = explanation.explained;
        if (this.about !== this.explained) this.say("", this.explained);
        showLabels(explanation);
        showSpot(explanation.spot);
        showButtons();
        say("");
        tab.shown?.(explanation);
      }
    }

    function setText(part, text) {
      const line = find(part);
      if (line && line.textContent !== text) line.textContent = text;
    }

    function showSpot(found) {
      const canvas = find("picture");
      const frame = find("stage").querySelector(".cell");
      setText("spot", found?.text ?? "");
      frame.hidden = !found?.cell;
      if (found?.cell) livePage.place(frame, canvas, canvas.width / canvas.height, found.cell);
    }

    function showLabels(explanation) {
      const list = find("labels");
      explanation.predictions.forEach((each, place) => {
        let row = list.children[place];
        if (!row) {
          row = document.createElement("li");
          row.innerHTML =
            "<button type='button' title='Explain this class'><span class='name'></span> " +
            "<span class='figure'></span><i class='bar'></i></button>";
          list.append(row);
          row.firstChild.addEventListener("click", () => choose(row.firstChild));
        }
        const button = row.firstChild;
        const [name, share, bar] = button.children;
        name.textContent = each.label;
        button.dataset.class = each.name;
        bar.hidden = each.probability === null;
        bar.style.setProperty("--share", each.probability ?? 0);
        share.textContent = each.strength;
        button.setAttribute("aria-pressed", String(each.name === explanation.explained));
      });
      while (list.children.length > explanation.predictions.length) list.lastChild.remove();
    }

    // Holds a class, or follows the most likely one again.
    function choose(button) {
      const name = button.dataset.class;
      set("class", settings.class === name ? "" : name);
    }

    function set(name, value) {
      settings[name] = value;
      if (!(running instanceof Run)) return;
      running.judged = 0;
      if (running.frozen) running.ask();
    }

    async function start() {
      if (!navigator.mediaDevices) {
        say("Browsers give cameras only to pages from this machine or over https.");
        return;
      }
      for (const other of cameras) if (other !== camera) other.stop();
      const mine = {}; // whoever presses the button again meanwhile ends this start
      running = mine;
      showButtons();
      say("Waiting for the camera …");
      let stream = null;
      try {
        stream = await navigator.mediaDevices.getUserMedia({
          video: { width: { ideal: 640 }, height: { ideal: 480 } },
          audio: false,
        });
      } catch (error) {
        if (running === mine) stop(why(error));
        return;
      }
      let text = "The page's server does not answer.";
      try {
        await tab.prepare?.();
        const answer = await fetch("live/camera", { method: "POST" });
        if (answer.ok) {
          const { camera } = await answer.json();
          if (running === mine) {
            running = new Run(stream, camera);
            await running.play();
            return;
          }
          release(camera); // the button was pressed again meanwhile
        } else text = await sentence(answer);
      } catch (error) {
        if (error instanceof Refusal) text = error.message;
        else console.warn(error);
      }
      stream.getTracks().forEach((track) => track.stop());
      if (running === mine) stop(text);
    }

    // The server has room for others again.
    const release = (name) => navigator.sendBeacon(`live/camera/${name}/stop`);

    function stop(text = "") {
      const run = running;
      running = null;
      spot = null;
      if (run instanceof Run) {
        run.end();
        release(run.name);
      }
      const stage = find("stage");
      if (stage) stage.dataset.state = "idle";
      const rate = find("rate");
      if (rate) rate.textContent = "";
      if (stage) showSpot(null);
      setText("verdict", "");
      say(text);
      showButtons();
      if (run) tab.stopped?.();
    }

    const inner = (part) => {
      const button = find(part);
      return button?.matches("button") ? button : button?.querySelector("button");
    };

    function showButtons() {
      const start = inner("button");
      if (!start) return;
      const live = find("stage").dataset.state === "live";
      const frozen = running instanceof Run && Boolean(running.frozen);
      const words = running ? "Stop the camera" : "Start the camera";
      if (start.textContent !== words) start.textContent = words;
      const freeze = inner("freeze");
      const verb = frozen ? "Go on" : "Freeze";
      if (freeze.textContent !== verb) freeze.textContent = verb;
      for (const button of [freeze, inner("snapshot")]) button.disabled = !live;
    }

    async function snapshot() {
      if (!(running instanceof Run)) return;
      try {
        const answer = await fetch(`live/camera/${running.name}/snapshot.png`);
        if (!answer.ok) {
          say(await sentence(answer));
          return;
        }
        const link = document.createElement("a");
        link.href = URL.createObjectURL(await answer.blob());
        link.download = `live-gradcam-${stamp()}.png`;
        link.click();
        setTimeout(() => URL.revokeObjectURL(link.href), 10000);
      } catch {
        say("The page's server does not answer.");
      }
    }

    // Asks a spot, or takes the question back where it is asked twice.
    function askSpot(found) {
      const again = spot && found && Math.hypot(spot[0] - found[0], spot[1] - found[1]) < 0.02;
      spot = again ? null : found;
      if (!spot) showSpot(null);
      if (running instanceof Run && running.frozen) running.ask();
    }

    document.addEventListener("click", (event) => {
      const canvas = event.target.closest?.(`#${prefix}-picture`);
      if (!canvas || !(running instanceof Run)) return;
      const found = livePage.under(event, canvas, canvas.width / canvas.height);
      if (!found) return;
      canvas.dataset.spot = found.join(",");
      askSpot(found);
    });
    document.addEventListener("keydown", (event) => {
      const canvas = event.target.closest?.(`#${prefix}-picture`);
      if (!canvas || !(running instanceof Run)) return;
      if (event.key === "Escape") askSpot(null);
      const found = livePage.walk(event, canvas);
      if (found) askSpot(found);
    });

    const camera = {
      toggle: () => (running ? stop() : start()),
      stop: () => running && stop(),
      freeze: () => running instanceof Run && running.sent && running.freeze(),
      snapshot,
      set,
      // What explains is another one: a frozen picture is explained again.
      again: () => running instanceof Run && running.frozen && running.ask(),
      // Whether pictures are on their way: neither waiting for the camera nor frozen.
      get live() {
        return running instanceof Run && !running.frozen;
      },
      say,
    };
    cameras.push(camera);
    return camera;
  }

  window.makeCamera = makeCamera;
  window.CameraRefusal = Refusal;
  window.liveCamera = makeCamera("camera");
  window.addEventListener("pagehide", () => cameras.forEach((camera) => camera.stop()));
})();
