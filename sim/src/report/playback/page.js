// Time, keys, clicks and lists. Tests read what is drawn from the body's data attributes.

const byId = (id) => document.getElementById(id);
const state = { time: 0, playing: false, speed: 60, selected: -1, dirty: true, last: 0 };

/** Simulated seconds for each real one. */
const SPEEDS = [1, 10, 60, 300, 600, 1800, 3600, 4 * 3600, 24 * 3600];
const EVENTS_SHOWN = 14;
const FAULTS_SHOWN = 300;

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function seek(time) {
  state.time = Math.min(scene.duration, Math.max(0, time));
  state.dirty = true;
}

function play(on) {
  if (on && state.time >= scene.duration) state.time = 0;
  state.playing = on;
  state.dirty = true;
  byId("play").textContent = on ? "❚❚" : "▶";
  byId("play").setAttribute("aria-label", on ? "Pause" : "Play");
}

function setSpeed(index) {
  const kept = Math.min(SPEEDS.length - 1, Math.max(0, index));
  state.speed = SPEEDS[kept];
  byId("speed").selectedIndex = kept;
  state.dirty = true;
}

function select(node) {
  state.selected = node;
  state.dirty = true;
}

function render() {
  const { time, speed, selected } = state;
  const drawn = map.draw(time, speed, selected);
  chart.draw(time, map.colours);
  const [, due, there] = sampleAt(time);
  const nodes = scene.nodes.length;
  byId("clock").textContent = clock(time);
  byId("up").textContent = `${drawn.up} / ${nodes}`;
  byId("step").textContent = `${drawn.inStep} / ${nodes}`;
  byId("there").textContent = due > 0 ? percent(there / due) : "nothing due";
  byId("slider").value = String(Math.round((time / Math.max(1, scene.duration)) * 1000));
  byId("slider").setAttribute("aria-valuetext", clock(time));
  showEvents(time);
  showDetails(time);
  Object.assign(document.body.dataset, {
    time: Math.round(time),
    up: drawn.up,
    inStep: drawn.inStep,
    frames: drawn.frames,
    playing: state.playing,
    selected: selected < 0 ? "" : scene.nodes[selected].name,
  });
}

function entry(time, text, className) {
  const item = element("li", undefined, className);
  const button = element("button");
  button.append(element("time", clock(time)), element("span", text));
  button.addEventListener("click", () => seek(time));
  item.append(button);
  return item;
}

function wordsOf([, what, node, path]) {
  const name = scene.nodes[node] ? scene.nodes[node].name : `node ${node}`;
  return what === "w" ? `${name} wrote ${scene.events.paths[path]}` : `${scene.events.paths[path]} reached ${name}`;
}

let shownEvents = "";

/** The last things that happened up to now, the newest first. */
function showEvents(time) {
  const { writes, faults } = scene.events;
  const [writeEnd, faultEnd] = [after(writes, time, first), after(faults, time, first)];
  if (shownEvents === `${writeEnd} ${faultEnd}`) return;
  shownEvents = `${writeEnd} ${faultEnd}`;
  const recent = [
    ...writes.slice(Math.max(0, writeEnd - EVENTS_SHOWN), writeEnd).map((event) => [event[0], wordsOf(event), event[1] === "w" ? "write" : ""]),
    ...faults.slice(Math.max(0, faultEnd - EVENTS_SHOWN), faultEnd).map((fault) => [fault[0], fault[2], "fault"]),
  ];
  recent.sort((a, b) => b[0] - a[0]);
  const items = recent.slice(0, EVENTS_SHOWN).map((event) => entry(...event));
  byId("events").replaceChildren(...(items.length > 0 ? items : [element("li", "nothing yet", "soft")]));
}

let shownDetails = "";

function showDetails(time) {
  const node = scene.nodes[state.selected];
  const key = node ? `${state.selected} ${Math.floor(time / 1000)}` : "";
  if (key === shownDetails) return;
  shownDetails = key;
  if (!node) {
    byId("details").replaceChildren();
    return;
  }
  // Not over the node that it speaks of.
  const [x] = map.place(state.selected) || [0];
  byId("details").classList.toggle("right", x < map.canvas.clientWidth / 2);
  const level = levelAt(node, time);
  const place = scene.real_places && placeAt(node, time);
  const rows = [
    ["state", isUp(node, time) ? "up" : "down"],
    ["has of what is due", level >= 1 ? "all" : `about ${percent(level)}`],
    ["space", node.space],
  ];
  if (place) rows.push(["east, north", `${Math.round(place[0])} m, ${Math.round(place[1])} m`]);
  rows.push(["lacking in the end", node.lacking]);
  if (node.radio) {
    const { sent, airtime, share, allowed, heard, collided, missed, lost, energy } = node.radio;
    rows.push(
      ["radio frames sent", `${sent} (${duration(airtime)})`],
      ["busiest window", allowed < 1 ? `${percent(share)} of ${percent(allowed)} allowed` : percent(share)],
      ["heard", heard],
      ["lost in collisions", collided],
      ["missed while sending", missed],
      ["lost by chance", lost],
    );
    if (energy > 0) rows.push(["radio's energy", `${energy.toFixed(0)} J`]);
  }
  if (node.wired[0] > 0) rows.push(["wired frames sent", node.wired[0]]);
  const head = element("div", undefined, "head");
  const close = element("button", "×");
  close.setAttribute("aria-label", "Close");
  close.addEventListener("click", () => select(-1));
  head.append(element("h2", node.name), close);
  const table = element("table");
  for (const [what, value] of rows) {
    const row = element("tr");
    row.append(element("th", what), element("td", value));
    table.append(row);
  }
  byId("details").replaceChildren(head, table, element("p", "Radio and wires: over the whole run.", "soft"));
}

function notes() {
  const { frames, wired, events, links, left_out: leftOut } = scene.thinned;
  const parts = [];
  const every = (step, what) => step > 1 && parts.push(`1 in ${step} ${what}`);
  every(frames, "radio frames");
  every(wired, "wired frames");
  every(events, "writes and arrivals");
  every(links, "wired links");
  let text = parts.length > 0 ? `Much happened: this page shows ${parts.join(", ")}. Nodes and the chart count all.` : "";
  if (leftOut > 0) text += ` The recording itself left ${leftOut.toLocaleString("en")} happenings out, the last ones: frames may cease before the end.`;
  if (!scene.real_places) text += " The scenario has no places: the nodes stand on a ring.";
  byId("notes").textContent = text.trim();
}

function setUp() {
  document.title = `${scene.scenario}, seed ${scene.seed}`;
  byId("title").textContent = scene.scenario;
  byId("about").textContent = scene.about;
  const outcome = scene.converged_at === null ? "not in step at the end" : `in step after ${duration(scene.converged_at)}`;
  byId("run").textContent = `seed ${scene.seed} · ${scene.nodes.length} nodes · ${outcome} · trace ${scene.trace_hash.slice(0, 12)}`;
  byId("end").textContent = clock(scene.duration);
  for (const speed of SPEEDS) byId("speed").append(element("option", duration(speed * 1000)));
  // About a minute for the whole run.
  const index = SPEEDS.findIndex((speed) => speed * 60000 >= scene.duration * 0.8);
  setSpeed(index < 0 ? SPEEDS.length - 1 : index);
  const { faults } = scene.events;
  const list = [...scene.broken.map((law) => [scene.duration, null, `broken law: ${law}`]), ...faults];
  byId("faults").hidden = list.length === 0;
  byId("faults").firstElementChild.textContent = list.length > FAULTS_SHOWN ? `${FAULTS_SHOWN} of ${list.length} faults` : `All faults (${list.length})`;
  byId("faults").lastElementChild.append(...list.slice(0, FAULTS_SHOWN).map((fault) => entry(fault[0], fault[2], "fault")));
  notes();
}

function listen() {
  byId("play").addEventListener("click", () => play(!state.playing));
  byId("speed").addEventListener("change", (event) => setSpeed(event.target.selectedIndex));
  byId("slider").addEventListener("input", (event) => seek((Number(event.target.value) / 1000) * scene.duration));
  byId("in").addEventListener("click", () => (map.zoom(1.5), (state.dirty = true)));
  byId("out").addEventListener("click", () => (map.zoom(1 / 1.5), (state.dirty = true)));
  byId("fit").addEventListener("click", () => (map.fit(), (state.dirty = true)));
  document.addEventListener("keydown", onKey);
  window.addEventListener("resize", resize);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => (map.readColours(), (state.dirty = true)));

  const scrub = (event) => seek(chart.timeAt(event.offsetX));
  chart.canvas.addEventListener("pointerdown", (event) => {
    chart.canvas.setPointerCapture(event.pointerId);
    scrub(event);
  });
  chart.canvas.addEventListener("pointermove", (event) => event.buttons > 0 && scrub(event));

  let moved = 0;
  map.canvas.addEventListener("pointerdown", (event) => {
    moved = 0;
    map.canvas.setPointerCapture(event.pointerId);
  });
  map.canvas.addEventListener("pointermove", (event) => {
    if (event.buttons > 0) {
      moved += Math.abs(event.movementX) + Math.abs(event.movementY);
      map.pan(event.movementX, event.movementY);
      state.dirty = true;
    }
    hover(event);
  });
  map.canvas.addEventListener("pointerup", (event) => moved < 4 && select(map.nodeAt(event.offsetX, event.offsetY)));
  map.canvas.addEventListener("pointerleave", () => (byId("tip").hidden = true));
  map.canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    map.zoom(Math.exp(-event.deltaY / 500), event.offsetX, event.offsetY);
    state.dirty = true;
  }, { passive: false });
}

function hover(event) {
  const index = map.nodeAt(event.offsetX, event.offsetY);
  const tip = byId("tip");
  map.canvas.classList.toggle("over", index >= 0);
  tip.hidden = index < 0;
  if (index < 0) return;
  const node = scene.nodes[index];
  const level = levelAt(node, state.time);
  const has = level >= 1 ? "in step" : `has about ${percent(level)} of what is due`;
  tip.textContent = `${node.name}: ${isUp(node, state.time) ? has : "down"}`;
  tip.style.left = `${Math.min(event.offsetX + 14, map.canvas.clientWidth - tip.offsetWidth - 4)}px`;
  tip.style.top = `${event.offsetY + 14}px`;
}

function onKey(event) {
  const pressed = event.target.tagName;
  // A button has its own meaning for space, a list for the arrows.
  if (pressed === "SELECT" || (event.key === " " && (pressed === "BUTTON" || pressed === "SUMMARY"))) return;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const step = scene.duration / (event.shiftKey ? 20 : 200);
  const keys = {
    " ": () => play(!state.playing),
    ArrowLeft: () => seek(state.time - step),
    ArrowRight: () => seek(state.time + step),
    ArrowUp: () => setSpeed(byId("speed").selectedIndex + 1),
    ArrowDown: () => setSpeed(byId("speed").selectedIndex - 1),
    Home: () => seek(0),
    End: () => seek(scene.duration),
    Escape: () => select(-1),
    "+": () => map.zoom(1.5),
    "-": () => map.zoom(1 / 1.5),
    0: () => map.fit(),
  };
  const action = keys[event.key];
  if (!action) return;
  event.preventDefault();
  action();
  state.dirty = true;
}

function resize() {
  map.resize();
  chart.resize();
  state.dirty = true;
}

function tick(now) {
  if (state.playing) {
    // A page in the background stands still instead of leaping when it comes back.
    seek(state.time + Math.min(250, now - state.last) * state.speed);
    if (state.time >= scene.duration) play(false);
  }
  state.last = now;
  if (state.dirty) {
    state.dirty = false;
    render();
  }
  requestAnimationFrame(tick);
}

setUp();
listen();
map.readColours();
resize();
requestAnimationFrame(tick);
