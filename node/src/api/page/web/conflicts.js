// Documents with concurrent versions, side by side.

import { ask, download, hasAddress, read, store } from './ask.js';
import { attempt, confirm } from './dialog.js';
import { button, el, field, many, name, plain, say, select, size, table, time } from './dom.js';
import { sideBySide } from './compare.js';

export const title = 'Conflicts';
export const heading = path => path === '' ? title : `Versions of /${path}`;

/** Longest version that is shown as a text, in bytes. */
const TEXT_MAX = 256 * 1024;
const place = path => `#/conflicts${path.split('/').map(encodeURIComponent).join('/')}`;

export async function load(path, byItself) {
  const [all, status] = await Promise.all([ask({ do: 'conflicts' }, byItself), ask({ do: 'status' }, byItself)]);
  const names = Object.fromEntries(status.peers.map(peer => [peer.node, peer.name]));
  names[status.node] = 'this node';
  const found = path === '' ? null : all.find(conflict => conflict.path === `/${path}`) ?? null;
  const texts = found && await Promise.all(found.versions.map(version => text(found.path, version)));
  return { all, found, names, texts };
}

/** What a version says, if it is a text and not too long. */
async function text(path, version) {
  if (version.operation !== 'PUT' || version.bytes > TEXT_MAX || !hasAddress(path)) return null;
  if (/^(image|audio|video|font)\//.test(version.content_type)) return null;
  try {
    const bytes = await (await read(path, version.version)).arrayBuffer();
    const decoded = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return decoded.includes('\0') ? null : decoded;
  } catch {
    // Its bytes are not here, or no text: the facts and the download are left.
    return null;
  }
}

export function draw({ all, found, names, texts }, path, again) {
  if (path === '') return list(all);
  const back = el('p', {}, el('a', { href: '#/conflicts/' }, 'All conflicts'));
  if (!found) return [back, el('p', {}, 'This document has no concurrent versions any more.')];
  return [
    back,
    el('p', { class: 'hint' }, 'It was changed at several devices that did not know of one another’s change. Readers see version 1. Keep one, or keep two under two names.'),
    table(many(found.versions.length, 'version'), ['Version', 'By', ['Changed', 'wide'], ['Type', 'wide'], 'Size', ['Actions', 'unseen']],
      found.versions.map((version, index) => row(found, version, index, names, again))),
    comparison(found, names, texts),
  ];
}

function list(all) {
  if (all.length === 0) return [el('p', {}, 'There are no conflicts.')];
  return [table(many(all.length, 'document'), ['Document', 'Versions'], all.map(conflict => el('tr', {},
    el('th', { scope: 'row' }, el('a', { href: place(conflict.path), 'data-key': conflict.path }, name(conflict.path))),
    el('td', {}, String(conflict.versions.length)))))];
}

const by = (version, names) => names[version.node] ?? version.node.slice(0, 16);

function row(found, version, index, names, again) {
  const isThere = version.operation === 'PUT';
  const number = index + 1;
  const key = action => ({ about: `version ${number}`, 'data-key': `${action} ${version.version}` });
  return el('tr', {},
    el('th', { scope: 'row' }, String(number)),
    el('td', {}, name(by(version, names))),
    el('td', { class: 'wide' }, time(version.modified_ms)),
    el('td', { class: 'wide' }, isThere && plain(version.content_type)),
    el('td', { class: 'number' }, isThere ? size(version.bytes) : 'Deleted'),
    el('td', {},
      button(isThere ? 'Keep this one' : 'Keep it deleted', () => keep(found.path, version, number, again), key('keep')),
      isThere && hasAddress(found.path) && [
        number > 1 && button('Keep as another document', () => keepBoth(found, version, again), key('both')),
        button('Download', () => attempt('The download', () => download(found.path, version.version)), key('download')),
      ]));
}

async function keep(path, version, number, again) {
  const yes = await confirm(`Keep version ${number}?`, `The others of ${path} go, on all devices.`, 'Keep it');
  if (!yes) return;
  const done = await attempt('Resolving', () => ask({ do: 'resolve', path, keep: version.version }));
  if (done) say(`Version ${number} is the only one now.`);
  await again();
}

/** Stores a version under another name; the conflict of two is over with that. */
async function keepBoth(found, version, again) {
  const copy = found.path.replace(/(\.[^./]*)?$/, ` (${new Date(version.modified_ms).toISOString().slice(0, 19).replaceAll(':', '.')})$1`);
  const ends = found.versions.length === 2;
  const yes = await confirm('Keep it as another document?',
    `It is stored as ${copy}. ${ends ? `Version 1 stays as ${found.path}.` : 'The other versions stay until you keep one.'}`, 'Keep both');
  if (!yes) return;
  const done = await attempt('Keeping both', async () => {
    const body = await (await read(found.path, version.version)).blob();
    await store(copy, body, version.content_type, { 'If-None-Match': '*' });
    if (ends) await ask({ do: 'resolve', path: found.path, keep: found.versions[0].version });
  });
  if (done) say(`It is stored as ${copy}.`);
  await again();
}

function comparison(found, names, texts) {
  const shown = found.versions.flatMap((version, index) => texts[index] === null ? [] : [{ version, index }]);
  if (shown.length < 2) {
    return el('p', { class: 'hint' }, `Only texts up to ${size(TEXT_MAX)} are shown side by side: download the versions to compare them.`);
  }
  const label = ({ version, index }) => `Version ${index + 1}, by ${by(version, names)}`;
  const options = shown.map((one, at) => [String(at), plain(label(one))]);
  const [left, right] = [select(options, '0'), select(options, '1')];
  const drawn = el('div');
  const compare = () => {
    const [a, b] = [shown[left.value], shown[right.value]];
    drawn.replaceChildren(sideBySide(plain(label(a)), texts[a.index], plain(label(b)), texts[b.index]));
  };
  [left, right].forEach(choice => choice.addEventListener('change', compare));
  compare();
  return el('section', { 'aria-label': 'Side by side' }, el('h2', {}, 'Side by side'),
    shown.length > 2 && el('div', { class: 'row' }, field('Left', left), field('Right', right)), drawn);
}
