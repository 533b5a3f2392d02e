// Two texts side by side, with what differs marked.

import { el, many, plain } from './dom.js';

/** Cells of the table of common lines: more take a browser too long. */
const CELLS_MAX = 4_000_000;
/** Equal lines that are shown around what differs. */
const AROUND = 3;

/** Pairs of lines: [left, right], null where a side has none. */
export function align(left, right) {
  let start = 0, end = 0;
  while (start < left.length && start < right.length && left[start] === right[start]) start++;
  while (end < left.length - start && end < right.length - start && left.at(-1 - end) === right.at(-1 - end)) end++;
  const pairs = left.slice(0, start).map(line => [line, line]);
  pairs.push(...middle(left.slice(start, left.length - end), right.slice(start, right.length - end)));
  pairs.push(...left.slice(left.length - end).map(line => [line, line]));
  return pairs;
}

/** The longest common lines stand beside each other; what is between them, as far as it goes. */
function middle(left, right) {
  const pairs = [];
  const beside = (gone, made) => {
    for (let at = 0; at < Math.max(gone.length, made.length); at++) pairs.push([gone[at] ?? null, made[at] ?? null]);
  };
  if (left.length * right.length > CELLS_MAX) {
    beside(left, right);
    return pairs;
  }
  // Length of what is common from (i, j) on.
  const width = right.length + 1;
  const common = new Uint32Array((left.length + 1) * width);
  for (let i = left.length - 1; i >= 0; i--) {
    for (let j = right.length - 1; j >= 0; j--) {
      common[i * width + j] = left[i] === right[j]
        ? common[(i + 1) * width + j + 1] + 1
        : Math.max(common[(i + 1) * width + j], common[i * width + j + 1]);
    }
  }
  let i = 0, j = 0, gone = [], made = [];
  while (i < left.length && j < right.length) {
    if (left[i] === right[j]) {
      beside(gone, made);
      gone = [];
      made = [];
      pairs.push([left[i++], right[j++]]);
    } else if (common[(i + 1) * width + j] >= common[i * width + j + 1]) gone.push(left[i++]);
    else made.push(right[j++]);
  }
  beside([...gone, ...left.slice(i)], [...made, ...right.slice(j)]);
  return pairs;
}

/** A line with what another does not have in it marked: what stands between their common beginning and end. */
function marked(line, other, tag) {
  if (line === null) return [];
  if (other === null) return [el(tag, {}, shown(line) || ' ')];
  const [own, theirs] = [[...line], [...other]];
  let start = 0, end = 0;
  while (start < own.length && start < theirs.length && own[start] === theirs[start]) start++;
  while (end < own.length - start && end < theirs.length - start && own.at(-1 - end) === theirs.at(-1 - end)) end++;
  const part = (from, to) => shown(own.slice(from, to).join(''));
  return [part(0, start), el(tag, {}, part(start, own.length - end)), part(own.length - end)];
}

// Tabs stay: they are part of a text's shape.
const shown = text => text.split('\t').map(plain).join('\t');

/** The table. */
export function sideBySide(leftLabel, left, rightLabel, right) {
  const pairs = align(left.split('\n'), right.split('\n'));
  const differs = ([a, b]) => a !== b;
  const count = pairs.filter(differs).length;
  const near = pairs.map(() => false);
  pairs.forEach((pair, at) => {
    if (differs(pair)) near.fill(true, Math.max(0, at - AROUND), at + AROUND + 1);
  });
  const rows = [];
  for (let at = 0; at < pairs.length; at++) {
    if (!near[at]) {
      const from = at;
      while (at + 1 < pairs.length && !near[at + 1]) at++;
      rows.push(el('tr', {}, el('td', { colspan: 2, class: 'equal' }, many(at - from + 1, 'equal line'))));
      continue;
    }
    const [a, b] = pairs[at];
    rows.push(el('tr', {}, differs(pairs[at])
      ? [cell('gone', 'Only left: ', a, b, 'del'), cell('new', 'Only right: ', b, a, 'ins')]
      : [el('td', {}, shown(a)), el('td', {}, shown(b))]));
  }
  const caption = count === 0 ? 'The texts are equal.' : `${many(count, 'line')} ${count === 1 ? 'differs' : 'differ'}.`;
  return el('div', { class: 'scroll', role: 'region', 'aria-label': 'The two texts', tabindex: '0' },
    el('table', { class: 'lines' }, el('caption', {}, caption),
      el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, leftLabel), el('th', { scope: 'col' }, rightLabel))),
      el('tbody', {}, rows)));
}

function cell(kind, spoken, line, other, tag) {
  if (line === null) return el('td');
  return el('td', { class: kind }, el('span', { class: 'unseen' }, spoken), marked(line, other, tag));
}
