// Elements, and values as people read them. Texts go into the page as texts, never as markup.

/** An element with attributes, listeners (`onclick`) and children: texts, elements, lists of these; nothing for false. */
export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? '' : value);
  }
  made.append(...children.flat(5).filter(child => child !== null && child !== undefined && child !== false));
  return made;
}

/** A text from outside, as it may be shown: without what is invisible or turns the reading direction. */
export function plain(text) {
  return String(text).replace(/[\p{Cc}\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu, '\ufffd');
}

/** A name from outside, as an element that keeps its direction to itself. */
export const name = text => el('bdi', {}, plain(text));

export function size(bytes) {
  if (bytes === null || bytes === undefined) return '';
  let value = bytes, unit = 'B';
  for (const next of ['KiB', 'MiB', 'GiB', 'TiB']) {
    if (value < 1024) break;
    value /= 1024;
    unit = next;
  }
  return unit === 'B' ? `${bytes} B` : `${value.toFixed(1)} ${unit}`;
}

const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });

/** A time as an element; `never` for none. */
export function time(millis, never = '') {
  if (!millis) return never;
  const date = new Date(millis);
  // Beyond what a calendar has.
  if (Number.isNaN(date.getTime())) return never;
  return el('time', { datetime: date.toISOString() }, DATE.format(date));
}

/** Seconds, as long as people say it. */
export function lasting(seconds) {
  for (const [unit, length] of [['day', 86400], ['hour', 3600], ['minute', 60]]) {
    if (seconds >= length) return many(Math.round(seconds / length), unit);
  }
  return many(Math.ceil(seconds), 'second');
}

export const many = (count, noun) => `${count} ${noun}${count === 1 ? '' : 's'}`;

/** The beginning of an id, with all of it to look at. */
export const id = text => el('span', { class: 'id', title: text }, text.slice(0, 16));

/** A button of a table or a form. `about` completes its name for those who hear it out of its row. */
export function button(text, onclick, { about = '', type = 'button', main = false, ...more } = {}) {
  const unseen = about && el('span', { class: 'unseen' }, ` ${plain(about)}`);
  return el('button', { type, onclick, class: main && 'main', ...more }, text, unseen);
}

/** A table. A column is its heading, with a class if it has one: `unseen` is only heard, `wide` is left out on a phone. */
export function table(caption, columns, rows) {
  const heading = column => {
    const [text, kind] = [column].flat();
    return el('th', { scope: 'col', class: kind === 'wide' && kind }, kind === 'unseen' ? el('span', { class: kind }, text) : text);
  };
  return el('div', { class: 'scroll', role: 'region', 'aria-label': caption, tabindex: '0', 'data-key': caption },
    el('table', {},
      el('caption', {}, caption),
      el('thead', {}, el('tr', {}, columns.map(heading))),
      el('tbody', {}, rows)));
}

/** A label and its control, which gets an id of its own. */
let controls = 0;
export function field(text, control, hint = '') {
  control.id ||= `control-${++controls}`;
  const hinting = hint && el('p', { class: 'hint', id: `${control.id}-hint` }, hint);
  if (hinting) control.setAttribute('aria-describedby', hinting.id);
  return el('div', {}, el('label', { for: control.id }, text), control, hinting);
}

export const select = (options, chosen) => el('select', {},
  options.map(([value, text]) => el('option', { value, selected: value === chosen }, text)));

/** Says something to those who look and to those who listen. */
export function say(text) {
  const said = document.getElementById('said');
  // The same text again is said again.
  said.textContent = '';
  setTimeout(() => { said.textContent = plain(text); }, 50);
}
