// Folders and documents: browse, upload, download, delete.

import { ask, download, hasAddress, remove } from './ask.js';
import { attempt, confirm, tell } from './dialog.js';
import { button, el, field, lasting, many, name, say, size, table, time } from './dom.js';
import { add } from './uploads.js';

export const title = 'Files';
/** Rows that are drawn at once: more only make a browser slow. */
const ROWS = 500;

export const folder = path => path === '' ? '/' : `/${path.replace(/\/?$/, '/')}`;
export const heading = path => path === '' ? title : folder(path);

/** The address of a folder on this page. */
const place = path => `#/files${path.split('/').map(encodeURIComponent).join('/')}`;

export async function load(path, byItself) {
  try {
    return await ask({ do: 'list', folder: folder(path), recursive: false }, byItself);
  } catch (error) {
    // A folder is there as long as something is in it.
    if (error.status === 404) return [];
    throw error;
  }
}

export function draw(items, path, again) {
  const here = folder(path);
  const shares = /^\/shared\/[^/]+\//.test(here)
    && el('p', {}, el('a', { href: `#/sharing${here.split('/').map(encodeURIComponent).join('/')}` }, 'Share this folder'));
  return [crumbs(here), list(items, here, again), shares, here !== '/' && items.length === 0
    && el('p', { class: 'hint' }, 'A folder comes with its first document, and goes with its last.'), uploadForm(here)];
}

function crumbs(here) {
  const names = here.split('/').filter(Boolean);
  const items = names.map((part, index) => {
    const path = `/${names.slice(0, index + 1).join('/')}/`;
    const last = index === names.length - 1;
    return el('li', {}, el('a', { href: place(path), 'aria-current': last && 'page' }, name(part)));
  });
  return el('nav', { class: 'crumbs', 'aria-label': 'Folders above' },
    el('ol', {}, el('li', {}, el('a', { href: place('/'), 'aria-current': names.length === 0 && 'page' }, 'All')), items));
}

function list(items, here, again) {
  const sorted = items.toSorted((a, b) =>
    b.name.endsWith('/') - a.name.endsWith('/') || a.name.localeCompare(b.name));
  const drawn = el('div');
  const drawTo = count => {
    const rows = sorted.slice(0, count).map(item =>
      item.name.endsWith('/') ? folderRow(item, here) : documentRow(item, here, again));
    const caption = items.length === 0 ? 'Nothing is here.' : many(items.length, 'item');
    const left = sorted.length - count;
    drawn.replaceChildren(
      table(caption, ['Name', 'Size', ['Changed', 'wide'], ['Actions', 'unseen']], rows),
      left > 0 ? button(`Show ${Math.min(left, ROWS)} more of ${left}`, () => drawTo(count + ROWS), { 'data-key': 'more' }) : '');
  };
  drawTo(ROWS);
  return drawn;
}

function folderRow(item, here) {
  return el('tr', {},
    el('th', { scope: 'row' }, el('a', { href: place(here + item.name), 'data-key': item.name }, name(item.name))),
    el('td', { class: 'number' }, size(item.bytes)),
    el('td', { class: 'wide' }, many(item.documents, 'document')),
    el('td'));
}

function documentRow(item, here, again) {
  const path = here + item.name;
  const key = action => ({ about: item.name, 'data-key': `${action} ${item.name}` });
  const conflicts = `#/conflicts${path.split('/').map(encodeURIComponent).join('/')}`;
  return el('tr', {},
    el('th', { scope: 'row' }, name(item.name),
      item.conflict && [' ', el('a', { href: conflicts }, 'Conflict', el('span', { class: 'unseen' }, ' of ', name(item.name)))],
      !item.here && el('span', { class: 'hint' }, ' Not here yet')),
    el('td', { class: 'number' }, size(item.bytes)),
    el('td', { class: 'wide' }, time(item.modified_ms)),
    el('td', {}, !hasAddress(path)
      ? el('span', { class: 'hint' }, 'Only the command line reaches modules of this name.')
      : [
        item.here
          ? button('Download', () => attempt('The download', () => download(path)), key('download'))
          : button('Get', () => fetchIt(path, again), key('get')),
        button('Delete', () => deleteIt(path, item, again), key('delete')),
      ]));
}

async function deleteIt(path, item, again) {
  const yes = await confirm(`Delete ${item.name}?`,
    `It goes from all your devices${item.conflict ? ', with all its concurrent versions' : ''}. This cannot be undone.`, 'Delete');
  if (!yes) return;
  const done = await attempt('Deleting', async () => {
    try {
      await remove(path, item.etag);
    } catch (error) {
      if (error.status !== 412) throw error;
      error.message = 'It was changed meanwhile. The list shows it as it is now: look, then delete it if you still want to.';
      await again();
      throw error;
    }
  });
  if (!done) return;
  await again();
  say(`${item.name} is deleted.`);
}

/** Gets bytes that are not here: what it takes is told before. */
async function fetchIt(path, again) {
  await attempt('Getting it', async () => {
    const price = await ask({ do: 'fetch', path, begin: false });
    if (price.bytes_lacking === 0) return again();
    const lacking = `${size(price.bytes_lacking)} of ${size(price.bytes)} are not here.`;
    if (price.linked.length > 0) return tell('It is on its way', `${lacking} It comes by itself over a link.`);
    if (price.radios.length === 0) return tell('Nobody is linked', `${lacking} It comes by itself with the next link.`);
    if (price.requested) return tell('It is asked for', `${lacking} It comes when somebody is heard who has it.`);
    const ways = price.radios.map(radio => radio.ask.length === 0
      ? 'By radio nobody is heard who may have it: it comes when somebody is.'
      : `By radio it takes ${lasting(radio.airtime_ms / 1000)} on air, and about ${lasting(radio.expected_ms / 1000)} until it is here.`);
    if (await confirm('Get it by radio?', [lacking, ...ways].join(' '), 'Get it')) {
      await ask({ do: 'fetch', path, begin: true });
      say('It is asked for.');
    }
  });
}

function uploadForm(here) {
  const chosen = el('input', { type: 'file', multiple: true, required: true });
  const target = el('input', { type: 'text', value: here, required: true, spellcheck: 'false', autocapitalize: 'off' });
  const warning = el('p', { id: 'upload-notice', class: 'warning', role: 'alert', hidden: true });
  const begin = list => {
    const path = folder(target.value.trim().replace(/^\//, ''));
    const wrong = !/^\/(private|public|shared)\/[^/]+\//.test(path)
      ? 'A document lies in a module: write a folder such as /private/notes/, /public/photos/2026/ or /shared/plans/.'
      // Browsers would make another address of it.
      : /\/\.{0,2}\//.test(path) ? 'A folder cannot be called ., .. or nothing at all: choose another name.'
      : hasAddress(path) ? '' : 'Only the command line reaches private modules with the name of another category: choose another name.';
    warning.hidden = !wrong;
    warning.textContent = wrong;
    if (wrong) return target.focus();
    add([...list], path);
    form.reset();
  };
  const form = el('form', {},
    el('h2', {}, 'Upload'),
    field('Files', chosen, 'You can drop files here as well.'),
    field('Into the folder', target, 'A new name makes a new folder.'),
    warning,
    el('p', {}, button('Upload', null, { type: 'submit', main: true, 'data-key': 'upload' })));
  form.addEventListener('submit', event => {
    event.preventDefault();
    begin(chosen.files);
  });
  const over = is => event => {
    event.preventDefault();
    form.classList.toggle('over', is);
  };
  form.addEventListener('dragover', over(true));
  form.addEventListener('dragleave', over(false));
  form.addEventListener('drop', event => {
    over(false)(event);
    if (event.dataTransfer.files.length > 0) begin(event.dataTransfer.files);
  });
  return form;
}
