// The map at a time. All that is drawn depends on the time, the speed, the view and the chosen node alone.

const map = (() => {
  const canvas = document.getElementById("map");
  const context = canvas.getContext("2d");
  /** How long a frame stays visible at least, in real seconds. */
  const FLASH = 0.5;
  const FRAMES_MAX = 160;
  const WIRED_MAX = 250;
  const MARGIN = 56;
  /** With more nodes in view than this, names come when one zooms in. */
  const NAMED_MAX = 150;
  const many = scene.nodes.length > 150;
  const radius = scene.nodes.length > 500 ? 3.5 : many ? 5 : 7.5;
  const extent = bounds();
  const view = { x: 0, y: 0, scale: 1 };
  let size = { width: 1, height: 1 };
  let places = [];
  let colours = {};

  function bounds() {
    const all = scene.nodes.flatMap((node) => node.places);
    if (all.length === 0) return { left: -1, right: 1, bottom: -1, top: 1 };
    const box = { left: Infinity, right: -Infinity, bottom: Infinity, top: -Infinity };
    for (const [, x, y] of all) {
      box.left = Math.min(box.left, x);
      box.right = Math.max(box.right, x);
      box.bottom = Math.min(box.bottom, y);
      box.top = Math.max(box.top, y);
    }
    return box;
  }

  function fit() {
    const width = Math.max(1, extent.right - extent.left);
    const height = Math.max(1, extent.top - extent.bottom);
    const room = (length) => Math.max(40, length - 2 * MARGIN);
    view.scale = Math.min(room(size.width) / width, room(size.height) / height);
    view.x = (extent.left + extent.right) / 2;
    view.y = (extent.bottom + extent.top) / 2;
  }

  const inside = ([x, y]) => x > -20 && y > -20 && x < size.width + 20 && y < size.height + 20;
  const toScreen = ([x, y]) => [size.width / 2 + (x - view.x) * view.scale, size.height / 2 - (y - view.y) * view.scale];

  function resize() {
    const pixels = window.devicePixelRatio || 1;
    const box = canvas.getBoundingClientRect();
    const anew = size.width === 1;
    size = { width: box.width, height: box.height };
    canvas.width = Math.round(box.width * pixels);
    canvas.height = Math.round(box.height * pixels);
    context.setTransform(pixels, 0, 0, pixels, 0, 0);
    if (anew) fit();
  }

  /** Colours as the style sheet has them now: they follow light and dark. */
  function readColours() {
    const style = getComputedStyle(document.documentElement);
    for (const name of ["paper", "raised", "ink", "soft", "line", "ok", "near", "mid", "none", "frame", "lost", "wire", "up"]) {
      colours[name] = style.getPropertyValue(`--${name}`).trim();
    }
    const parts = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
    const [none, mid, near] = [colours.none, colours.mid, colours.near].map(parts);
    colours.scale = Array.from({ length: 33 }, (_, index) => {
      const [from, to, part] = index < 16 ? [none, mid, index / 16] : [mid, near, (index - 16) / 16];
      return `rgb(${from.map((value, at) => Math.round(value + part * (to[at] - value))).join()})`;
    });
  }

  const colourOf = (level) => (level >= 1 ? colours.ok : colours.scale[Math.floor(level * 32)]);

  function line(a, b) {
    context.beginPath();
    context.moveTo(a[0], a[1]);
    context.lineTo(b[0], b[1]);
    context.stroke();
  }

  function draw(time, speed, selected) {
    context.clearRect(0, 0, size.width, size.height);
    places = scene.nodes.map((node) => {
      const place = placeAt(node, time);
      return place && toScreen(place);
    });
    const window = FLASH * speed * 1000;
    ground(time, selected);
    const frames = drawFrames(time, window);
    drawWired(time, window);
    const counts = drawNodes(time, selected);
    if (scene.real_places) scaleBar();
    return { ...counts, frames };
  }

  /** What lies under everything: who hears whom at all, wires, tracks. */
  function ground(time, selected) {
    context.setLineDash([]);
    context.strokeStyle = colours.soft;
    context.lineWidth = 1;
    for (const [from, to] of scene.heard) {
      const chosen = from === selected || to === selected;
      // Whoever moves heard many in passing: such lines would cross the whole map.
      if (scene.nodes[from].places.length > 1 || scene.nodes[to].places.length > 1) continue;
      if (!places[from] || !places[to]) continue;
      context.globalAlpha = chosen ? 0.7 : many ? 0.06 : 0.13;
      line(places[from], places[to]);
    }
    context.globalAlpha = many ? 0.35 : 0.7;
    context.strokeStyle = colours.wire;
    for (const [a, b, from, until] of scene.links) {
      if (from <= time && time <= until && places[a] && places[b]) line(places[a], places[b]);
    }
    context.globalAlpha = 0.5;
    context.strokeStyle = colours.soft;
    context.setLineDash([2, 5]);
    for (const node of many ? [] : scene.nodes) {
      if (node.places.length < 2) continue;
      context.beginPath();
      for (const [, x, y] of node.places) context.lineTo(...toScreen([x, y]));
      context.stroke();
    }
    context.setLineDash([]);
    context.globalAlpha = 1;
  }

  function drawFrames(time, window) {
    const long = Math.max(window, longestFrame);
    let drawn = 0;
    for (const [at, airtime, from, to, missed] of inWindow(scene.frames, time, long, FRAMES_MAX)) {
      const age = (time - at) / Math.max(window, airtime);
      const centre = places[from];
      if (age >= 1 || !centre) continue;
      drawn += 1;
      let reach = radius * 5;
      context.strokeStyle = colours.frame;
      context.lineWidth = 1.5;
      context.globalAlpha = 0.5 * (1 - age);
      for (const node of to) {
        if (!places[node]) continue;
        reach = Math.max(reach, Math.hypot(places[node][0] - centre[0], places[node][1] - centre[1]));
        line(centre, places[node]);
      }
      context.setLineDash([4, 4]);
      context.strokeStyle = colours.lost;
      for (const node of missed) if (places[node]) line(centre, places[node]);
      context.setLineDash([]);
      context.strokeStyle = colours.frame;
      context.globalAlpha = 0.8 * (1 - age);
      context.lineWidth = 2;
      context.beginPath();
      context.arc(centre[0], centre[1], radius + (reach - radius) * Math.sqrt(age), 0, 2 * Math.PI);
      context.stroke();
    }
    context.globalAlpha = 1;
    return drawn;
  }

  function drawWired(time, window) {
    for (const [at, from, to, , lost] of inWindow(scene.wired, time, window, WIRED_MAX)) {
      if (!places[from] || !places[to]) continue;
      // What was lost goes half the way.
      const part = ((time - at) / window) * (lost ? 0.5 : 1);
      const [ax, ay] = places[from];
      const [bx, by] = places[to];
      context.fillStyle = lost ? colours.lost : colours.wire;
      context.beginPath();
      context.arc(ax + part * (bx - ax), ay + part * (by - ay), 2.5, 0, 2 * Math.PI);
      context.fill();
    }
  }

  function drawNodes(time, selected) {
    let [up, inStep] = [0, 0];
    scene.nodes.forEach((node, index) => {
      const level = levelAt(node, time);
      const alive = isUp(node, time);
      up += alive ? 1 : 0;
      inStep += level >= 1 ? 1 : 0;
      if (!places[index]) return;
      const [x, y] = places[index];
      if (!inside(places[index])) return;
      disc(x, y, level, alive);
      if (index === selected) {
        context.strokeStyle = colours.ink;
        context.lineWidth = 2;
        context.beginPath();
        context.arc(x, y, radius + 4, 0, 2 * Math.PI);
        context.stroke();
      }
    });
    names(time, selected);
    return { up, inStep };
  }

  /** Names where there is room: none on another, none on a node. Those of the chosen one and of movers always. */
  function names(time, selected) {
    context.font = "11px system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif";
    context.textBaseline = "middle";
    context.textAlign = "left";
    const shown = places.map((place, index) => ({ place, index })).filter(({ place }) => place && inside(place));
    if (shown.length > NAMED_MAX && selected < 0) return;
    const order = shown.length > NAMED_MAX ? [] : shown.filter(({ index }) => index !== selected);
    // Whoever moves is looked for: its name comes first.
    order.sort((a, b) => scene.nodes[b.index].places.length - scene.nodes[a.index].places.length);
    if (selected >= 0 && places[selected]) order.unshift({ place: places[selected], index: selected });
    const taken = shown.map(({ place: [x, y] }) => [x - radius, y - radius, x + radius, y + radius]);
    for (const { place: [x, y], index } of order) {
      const node = scene.nodes[index];
      const width = context.measureText(node.name).width;
      const gap = radius + 5;
      const free = ([left, middle]) => {
        const [top, right, bottom] = [middle - 7, left + width, middle + 7];
        if (left < 2 || right > size.width - 2) return false;
        return taken.every((other) => left > other[2] || right < other[0] || top > other[3] || bottom < other[1]);
      };
      const spots = [[x + gap, y], [x - gap - width, y], [x - width / 2, y - gap - 7], [x - width / 2, y + gap + 7]];
      const wanted = index === selected || node.places.length > 1;
      const spot = spots.find(free) || (wanted && spots[0]);
      if (!spot) continue;
      const [left, middle] = spot;
      taken.push([left, middle - 7, left + width, middle + 7]);
      context.lineWidth = 3;
      context.strokeStyle = colours.raised;
      context.strokeText(node.name, left, middle);
      context.fillStyle = isUp(node, time) ? colours.ink : colours.soft;
      context.fillText(node.name, left, middle);
    }
  }

  /** Colour is not the only sign: what is lacking is a gap in the ring, and who is down is hollow. */
  function disc(x, y, level, alive) {
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    if (!alive) {
      context.fillStyle = colours.raised;
      context.fill();
      context.setLineDash([3, 2]);
      context.lineWidth = 1.5;
      context.strokeStyle = colours.soft;
      context.stroke();
      context.setLineDash([]);
      return;
    }
    context.fillStyle = colourOf(level);
    context.fill();
    context.lineWidth = 1.5;
    context.strokeStyle = colours.raised;
    context.stroke();
    if (many || level >= 1) return;
    context.beginPath();
    context.arc(x, y, radius + 2.5, -Math.PI / 2, -Math.PI / 2 + 2 * Math.PI * level);
    context.lineWidth = 2;
    context.strokeStyle = colours.ok;
    context.stroke();
  }

  function scaleBar() {
    let length = 1;
    for (const factor of [2, 2.5, 2, 2, 2.5, 2, 2, 2.5, 2, 2, 2.5, 2, 2, 2.5, 2]) {
      if (length * factor * view.scale > 160) break;
      length *= factor;
    }
    const [x, y] = [18, size.height - 18];
    context.strokeStyle = context.fillStyle = colours.soft;
    context.lineWidth = 1.5;
    context.beginPath();
    context.moveTo(x, y - 5);
    context.lineTo(x, y);
    context.lineTo(x + length * view.scale, y);
    context.lineTo(x + length * view.scale, y - 5);
    context.stroke();
    context.textBaseline = "alphabetic";
    context.fillText(length >= 1000 ? `${length / 1000} km` : `${length} m`, x + 6, y - 5);
  }

  /** The node at a point of the canvas, or -1. */
  function nodeAt(x, y) {
    let [best, nearest] = [-1, (radius + 8) ** 2];
    places.forEach((place, index) => {
      if (!place) return;
      const distance = (place[0] - x) ** 2 + (place[1] - y) ** 2;
      if (distance < nearest) [best, nearest] = [index, distance];
    });
    return best;
  }

  function zoom(factor, x = size.width / 2, y = size.height / 2) {
    const east = view.x + (x - size.width / 2) / view.scale;
    const north = view.y - (y - size.height / 2) / view.scale;
    view.scale *= factor;
    view.x = east - (x - size.width / 2) / view.scale;
    view.y = north + (y - size.height / 2) / view.scale;
  }

  function pan(dx, dy) {
    view.x -= dx / view.scale;
    view.y += dy / view.scale;
  }

  const longestFrame = scene.frames.reduce((most, frame) => Math.max(most, frame[1]), 0);
  return { canvas, colours, draw, fit, nodeAt, pan, place: (node) => places[node], readColours, resize, zoom };
})();
