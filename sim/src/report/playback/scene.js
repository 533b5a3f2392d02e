"use strict";
// What a recording holds, and what it says about a time. Times are milliseconds of the run.

const scene = JSON.parse(document.getElementById("scene").textContent);
const levels = new Map([...scene.marks.levels].map((letter, index) => [letter, index / scene.marks.levels.length]));

/** The first index whose key is greater than the value. */
function after(list, value, key) {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (key(list[middle]) <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

const first = (entry) => entry[0];

/** East and north in metres; null for a node without a place. */
function placeAt(node, time) {
  const places = node.places;
  if (places.length === 0) return null;
  const next = after(places, time, first);
  const before = places[Math.max(0, next - 1)];
  if (next === 0 || next === places.length) return [before[1], before[2]];
  const then = places[next];
  const part = (time - before[0]) / (then[0] - before[0]);
  return [before[1] + part * (then[1] - before[1]), before[2] + part * (then[2] - before[2])];
}

function isUp(node, time) {
  const index = after(node.up, time, first) - 1;
  // The end of the run is no crash.
  return index >= 0 && (time < node.up[index][1] || node.up[index][1] >= scene.duration);
}

/** What a node has of what it should have, 0 to 1; 1 only if nothing is lacking. As of the last mark that has passed. */
function levelAt(node, time) {
  const { count, slice } = scene.marks;
  const mark = time >= scene.duration ? count - 1 : Math.min(count, Math.floor(time / slice)) - 1;
  if (mark < 0) return 1;
  const letter = node.marks[mark];
  return letter === "=" ? 1 : levels.get(letter);
}

/** The last sample: what was due, what was there, nodes up. */
function sampleAt(time) {
  return scene.samples[Math.max(0, after(scene.samples, time, first) - 1)] || [0, 0, 0, 0];
}

/** Entries that began in the window that ends now; at most so many, taken evenly. */
function inWindow(list, time, window, most) {
  const from = after(list, time - window, first);
  const until = after(list, time, first);
  const step = Math.max(1, Math.ceil((until - from) / most));
  const found = [];
  // On the same entries at any time, or they would flicker.
  for (let index = Math.ceil(from / step) * step; index < until; index += step) found.push(list[index]);
  return found;
}

/** 05:12:07, with days in front where there are any. */
function clock(time) {
  const two = (number) => String(number).padStart(2, "0");
  const s = Math.floor(time / 1000);
  const day = Math.floor(s / 86400);
  const text = `${two(Math.floor(s / 3600) % 24)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
  return day > 0 ? `${day} d ${text}` : text;
}

/** 5 h 12 min: two units at most. */
function duration(time) {
  const units = [["d", 86400000], ["h", 3600000], ["min", 60000], ["s", 1000]];
  if (time < 1000) return `${Math.round(time)} ms`;
  const index = units.findIndex(([, length]) => time >= length);
  const [name, length] = units[index];
  const text = `${Math.floor(time / length)} ${name}`;
  if (index === units.length - 1) return text;
  const [smaller, part] = units[index + 1];
  const rest = Math.floor((time % length) / part);
  return rest > 0 ? `${text} ${rest} ${smaller}` : text;
}

/** A share as a percentage; 100 % only if it is all. */
function percent(share) {
  const value = share * 100;
  if (value >= 100 || value <= 0) return `${value.toFixed(0)} %`;
  if (value > 99) return `${(Math.floor(value * 10) / 10).toFixed(1)} %`;
  return `${value.toFixed(value < 10 ? 1 : 0)} %`;
}
