// The Teach tab: whoever holds a class's button shows it to the network. The server keeps the
// examples and says what was learned; only the small pictures beside the classes are made here.
(() => {
  "use strict";

  const SHORTEST_MS = 750; // a tap teaches for so long
  const CLICK_MS = 2000; // and a click that nobody holds, as of a screen reader
  const LOOK_EVERY_MS = 600; // while it learns and the camera is off
  const STAY_EVERY_MS = 20000; // or the server forgets the lesson
  const TELL_MS = 6000;
  const SETTLED_MS = 400; // what a burst's small picture shows is in the hand by then
  const SMALL = 48; // pixels
  const MOST_SMALL = 4;
  const ELSE = "anything else";

  let lesson = null; // its name on the server, as long as there is one
  let state = empty();
  let held = null; // the class that is being shown: { row, burst, since, small, before }
  let burst = 0; // number of the newest
  let told = 0; // until when a sentence of this page stands where the server's do
  let revision = -1; // of the server's newest words
  let looking = 0;
  let queue = Promise.resolve(); // what is asked of the lesson, in order

  const find = (part) => document.getElementById(`teach-${part}`);

  function empty(labels = [ELSE, "thing 1"]) {
    const classes = labels.map((label) => ({ label, count: 0, bursts: 0, small: [] }));
    return { classes, line: "", sentences: [], learned: null, ready: false, own: false };
  }

  const camera = makeCamera("teach", {
    prepare,
    asked() {
      if (!lesson) return {};
      if (!held) return { lesson };
      return { lesson, teach: state.classes[held.row].label, burst: String(held.burst) };
    },
    sent: takeSmall,
    shown({ teaching }) {
      if (!teaching) return;
      state.classes.forEach((each, row) => (each.count = teaching.counts[row] ?? each.count));
      state.line = teaching.line;
      if (teaching.revision !== revision) look();
      draw();
    },
    stopped() {
      release(0);
      if (lesson) look();
      draw();
    },
  });

  // Talking to the server

  async function send(address, body) {
    const answer = await fetch(address, {
      method: body ? "POST" : "GET",
      ...(body && { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
    });
    const found = await answer.json().catch(() => ({}));
    if (answer.ok) return found;
    throw Object.assign(new CameraRefusal(found.detail ?? `The page's server answers ${answer.status}.`), {
      gone: answer.status === 410,
    });
  }

  async function prepare() {
    tell("");
    if (lesson) return;
    const found = await send("live/lesson", { labels: state.classes.map((each) => each.label) });
    lesson = found.lesson;
    take(found);
  }

  // One thing after the other: what is asked second may rest on the first.
  function act(body) {
    const mine = lesson;
    queue = queue.then(async () => {
      if (!mine || mine !== lesson) return;
      try {
        const before = new Map(state.classes.map((each) => [each.label, each.bursts]));
        const found = await send(`live/lesson/${mine}`, body);
        if (mine !== lesson) return;
        take(found);
        for (const each of state.classes) {
          // The last burst is the one of the last small picture, if it has one.
          if (each.bursts < before.get(each.label)) each.small.pop();
        }
        draw();
      } catch (error) {
        if (mine === lesson) fail(error);
      }
    });
    return queue;
  }

  function look() {
    if (looking) return;
    looking = setTimeout(async () => {
      const mine = lesson;
      try {
        const found = mine && (await send(`live/lesson/${mine}`));
        if (found && mine === lesson) take(found);
      } catch (error) {
        if (mine === lesson) fail(error);
      } finally {
        looking = 0;
        if (lesson && state.learning && !camera.live) look();
      }
    }, LOOK_EVERY_MS);
  }

  function take(found) {
    const known = new Map(state.classes.map((each) => [each.label, each.small]));
    for (const [from, to] of found.renamed ?? []) known.set(to, known.get(from));
    const news = found.revision !== revision;
    state = found;
    revision = found.revision;
    if (news) camera.again();
    for (const each of state.classes) each.small = known.get(each.label) ?? [];
    draw();
    if (state.learning && !camera.live) look();
  }

  function fail(error) {
    if (error.gone) forget(error.message);
    else if (error instanceof CameraRefusal) tell(error.message);
    else tell("The page's server does not answer.");
    draw();
  }

  function forget(text = "") {
    lesson = held = null;
    revision = -1;
    state = empty(state.classes.map((each) => each.label));
    camera.stop();
    tell(text);
    draw();
  }

  // Showing

  function begin(row) {
    release(0);
    if (!camera.live) {
      tell("The camera has to run first: start it, or go on.");
      return;
    }
    tell("");
    burst += 1;
    held = { row, burst, since: performance.now(), small: null, before: state.classes[row].bursts };
    draw();
  }

  function release(shortest = SHORTEST_MS) {
    if (!held || (held.ending && shortest)) return;
    const mine = held;
    const end = () => {
      if (held === mine) held = null;
      const shown = state.classes[mine.row];
      act({ do: "end", burst: mine.burst }).then(() => {
        // Nothing of it was taken: there was no room, or it was too short.
        const now = state.classes.find((each) => each.label === shown?.label);
        if (now && now.bursts <= mine.before) now.small = now.small.filter((one) => one !== mine.small);
        draw();
      });
      draw();
    };
    const left = mine.since + shortest - performance.now();
    if (shortest && left > 0) {
      mine.ending = true;
      setTimeout(() => held === mine && end(), left);
    } else end();
  }

  function takeSmall(canvas) {
    if (!held) return;
    const settled = performance.now() - held.since > SETTLED_MS;
    if (held.small && (held.settled || !settled)) return;
    held.settled = settled;
    const small = held.small ?? document.createElement("canvas");
    small.width = small.height = SMALL;
    const side = Math.min(canvas.width, canvas.height);
    const [left, top] = [(canvas.width - side) / 2, (canvas.height - side) / 2];
    small.getContext("2d").drawImage(canvas, left, top, side, side, 0, 0, SMALL, SMALL);
    if (!held.small) state.classes[held.row].small.push(small);
    held.small = small;
    draw();
  }

  // Words

  function tell(text) {
    told = text ? performance.now() + TELL_MS : 0;
    if (text) setText(find("line"), text);
    else drawLine();
    if (text) setTimeout(draw, TELL_MS + 50);
  }

  function setText(element, text) {
    if (element && element.textContent !== text) element.textContent = text;
  }

  const ROW = `
    <input class="title" maxlength="60" spellcheck="false" autocomplete="off">
    <button type="button" class="hold" aria-pressed="false">Hold to show</button>
    <output></output>
    <span class="small" aria-hidden="true"></span>
    <button type="button" class="remove" title="Leave this class out">×</button>`;

  function draw() {
    const list = find("classes");
    if (!list) return;
    while (list.children.length > state.classes.length) list.lastChild.remove();
    state.classes.forEach((each, index) => drawRow(list, each, index));
    const shown = state.classes.reduce((sum, each) => sum + each.bursts, 0);
    find("undo").disabled = !lesson || shown === 0 || Boolean(held);
    find("forget").disabled = !lesson;
    find("add").disabled = state.classes.length >= Number(list.dataset.most);
    find("own").disabled = !state.ready;
    find("own").setAttribute("aria-pressed", String(state.own));
    for (const each of document.querySelectorAll("#teach-save button")) {
      each.disabled = !state.ready;
    }
    drawLine();
    drawLearned();
  }

  function drawLine() {
    const line = find("line");
    if (line && performance.now() > told) setText(line, state.line || line.dataset.first);
  }

  function drawRow(list, each, index) {
    let row = list.children[index];
    if (!row) {
      row = document.createElement("li");
      row.innerHTML = ROW;
      list.append(row);
    }
    const [title, hold, count, small, remove] = row.children;
    if (document.activeElement !== title && title.value !== each.label) title.value = each.label;
    title.setAttribute("aria-label", `Name of class ${index + 1}`);
    hold.setAttribute("aria-label", `Hold to show ${each.label}`);
    hold.setAttribute("aria-pressed", String(held?.row === index));
    count.setAttribute("aria-label", `Examples of ${each.label}`);
    setText(count, String(each.count));
    remove.setAttribute("aria-label", `Leave ${each.label} out`);
    remove.disabled = state.classes.length <= 2;
    const wanted = each.small.slice(-MOST_SMALL);
    if (wanted.length !== small.children.length || wanted.some((one, n) => small.children[n] !== one)) {
      small.replaceChildren(...wanted);
    }
  }

  function drawLearned() {
    const list = find("sentences");
    const key = JSON.stringify([state.sentences, state.learned]);
    if (list.dataset.key === key) return;
    list.dataset.key = key;
    list.replaceChildren(
      ...state.sentences.map((text) => Object.assign(document.createElement("li"), { textContent: text })),
    );
    const details = find("confusion");
    details.hidden = !state.learned;
    if (!state.learned) return;
    const { labels, confusion } = state.learned;
    const cell = (kind, text, scope) => {
      const element = Object.assign(document.createElement(kind), { textContent: text });
      if (scope) element.scope = scope;
      return element;
    };
    const line = (...cells) => {
      const row = document.createElement("tr");
      row.append(...cells);
      return row;
    };
    const top = line(cell("th", "shown", "col"), ...labels.map((each) => cell("th", each, "col")));
    const rows = confusion.map((counts, row) =>
      line(cell("th", labels[row], "row"), ...counts.map((count) => cell("td", String(count)))),
    );
    details.querySelector("table").replaceChildren(top, ...rows);
  }

  // What people do

  function add() {
    const names = new Set(state.classes.map((each) => each.label));
    let number = 1;
    while (names.has(`thing ${number}`)) number += 1;
    const label = `thing ${number}`;
    const focus = () => {
      draw();
      const titles = find("classes").querySelectorAll(".title");
      titles[titles.length - 1].focus();
      titles[titles.length - 1].select();
    };
    if (lesson) {
      act({ do: "add", label }).then(focus);
      return;
    }
    if (state.classes.length >= Number(find("classes").dataset.most)) {
      tell("There is no room for another class.");
      return;
    }
    state = { ...empty([...names, label]) };
    focus();
  }

  function rename(row, title) {
    const label = state.classes[row].label;
    const to = title.value.trim();
    if (to === label || to === "") {
      title.value = label;
      return;
    }
    if (lesson) {
      act({ do: "rename", label, to }).then(() => {
        title.value = state.classes[row]?.label ?? "";
      });
      return;
    }
    if (state.classes.some((each) => each.label === to)) {
      tell(`There is a class of this name already: ${to}.`);
      title.value = label;
      return;
    }
    state.classes[row].label = to;
    draw();
  }

  function remove(row) {
    release(0);
    const { label } = state.classes[row];
    if (lesson) act({ do: "remove", label });
    else state.classes.splice(row, 1);
    draw();
  }

  async function save(whole) {
    if (!lesson) return;
    tell("The file is being made …");
    try {
      const answer = await fetch(`live/lesson/${lesson}/taught.safetensors${whole ? "?whole=1" : ""}`);
      if (!answer.ok) {
        const { detail } = await answer.json().catch(() => ({}));
        tell(detail ?? `The page's server answers ${answer.status}.`);
        return;
      }
      const link = document.createElement("a");
      link.href = URL.createObjectURL(await answer.blob());
      link.download = "taught.safetensors";
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
      tell("Saved. It goes on with: live-gradcam run 0 --weights taught.safetensors");
    } catch {
      tell("The page's server does not answer.");
    }
  }

  const rowOf = (element) => [...find("classes").children].indexOf(element.closest("li"));
  const closest = (event, selector) => event.target.closest?.(`#teach-lesson ${selector}`);

  document.addEventListener("pointerdown", (event) => {
    const hold = event.button === 0 && closest(event, ".hold");
    if (!hold) return;
    hold.setPointerCapture(event.pointerId);
    hold.dataset.pointer = "down";
    begin(rowOf(hold));
  });
  for (const kind of ["pointerup", "pointercancel", "lostpointercapture"]) {
    document.addEventListener(kind, (event) => closest(event, ".hold") && release());
  }
  document.addEventListener("pointercancel", (event) => {
    const hold = closest(event, ".hold");
    if (hold) delete hold.dataset.pointer; // no click follows
  });
  document.addEventListener("contextmenu", (event) => closest(event, ".hold") && event.preventDefault());
  document.addEventListener("keydown", (event) => {
    const hold = (event.key === " " || event.key === "Enter") && closest(event, ".hold");
    if (hold) {
      event.preventDefault();
      if (!event.repeat) begin(rowOf(hold));
    }
    const title = event.key === "Enter" && closest(event, ".title");
    if (title) title.closest("li").querySelector(".hold").focus(); // its name is kept on leaving
  });
  document.addEventListener("keyup", (event) => {
    const hold = (event.key === " " || event.key === "Enter") && closest(event, ".hold");
    if (!hold) return;
    event.preventDefault();
    release();
  });
  document.addEventListener("focusout", (event) => closest(event, ".hold") && release());
  addEventListener("blur", () => release());
  document.addEventListener("change", (event) => {
    const title = closest(event, ".title");
    if (title) rename(rowOf(title), title);
  });
  document.addEventListener("click", (event) => {
    const button = closest(event, "button");
    if (!button) return;
    if (button.matches(".hold")) {
      // Neither held by hand nor by key: a screen reader presses buttons so.
      if (!button.dataset.pointer) {
        begin(rowOf(button));
        release(CLICK_MS);
      }
      delete button.dataset.pointer;
    } else if (button.matches(".remove")) remove(rowOf(button));
    else if (button.id === "teach-add") add();
    else if (button.id === "teach-undo") act({ do: "undo" });
    else if (button.id === "teach-own") act({ do: "own", own: !state.own });
    else if (button.id === "teach-forget") {
      leave();
      forget("What you taught is forgotten.");
    } else if (button.closest("#teach-save")) save(button.dataset.whole === "true");
  });

  const leave = () => lesson && navigator.sendBeacon(`live/lesson/${lesson}/stop`);
  addEventListener("pagehide", () => {
    leave();
    if (lesson) forget();
  });
  setInterval(() => lesson && document.visibilityState === "visible" && look(), STAY_EVERY_MS);
  // What is in a tab is made when it is opened.
  new MutationObserver(() => {
    const list = find("classes");
    if (list && list.childElementCount !== state.classes.length) draw();
  }).observe(document.documentElement, { childList: true, subtree: true });

  window.teachCamera = camera;
})();
