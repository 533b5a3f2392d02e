// Uploads, one after the other, whatever part of the page is shown.

import { address, headers, noteStatus, tag } from './ask.js';
import { button, el, many, name, plain, say, size } from './dom.js';

/** Bodies over this are not sent for nothing: a node that refuses one answers before it has read all, and browsers then lose the answer. */
const LONG = 1024 * 1024;

const section = document.getElementById('uploads');
const list = el('ul');
const clear = button('Clear the list', () => {
  items.filter(item => item.over).forEach(item => item.row.remove());
  items = items.filter(item => !item.over);
  section.hidden = items.length === 0;
  document.getElementById('main').focus();
});
section.append(el('div', { class: 'row' }, el('h2', {}, 'Uploads'), clear), list);

let items = [];
let stored = () => {};
let storedCount = 0;

/** Whom to tell which folder has something new. */
export const whenStored = then => { stored = then; };
export const isRunning = () => items.some(item => !item.over && !item.asks);

/** Uploads files into a folder. */
export function add(files, folder) {
  section.hidden = false;
  for (const file of files) {
    const item = { file, folder, path: folder + file.name, waits: true, conditions: { 'If-None-Match': '*' } };
    item.progress = el('progress', { max: 1, value: 0, 'aria-label': `Upload of ${plain(file.name)}` });
    item.state = el('span', { class: 'state' });
    item.buttons = el('span');
    item.row = el('li', {}, el('span', { class: 'name' }, name(item.path)), item.progress, item.state, item.buttons);
    list.append(item.row);
    items.push(item);
    tell(item, 'Waits', ['Cancel', () => end(item, 'Cancelled')]);
  }
  next();
}

/** Shows where an upload is, and what can be done about it. */
function tell(item, text, ...actions) {
  item.state.textContent = text;
  item.buttons.replaceChildren(...actions.map(([label, onclick]) => button(label, onclick, { about: item.file.name })));
}

function end(item, text, ...actions) {
  // The buttons go: the focus must not go with them.
  const focused = item.buttons.contains(document.activeElement);
  item.over = true;
  item.waits = item.asks = false;
  tell(item, text, ...actions);
  if (focused) (item.buttons.querySelector('button') ?? clear).focus();
}

function next() {
  if (items.some(item => item.request)) return;
  const item = items.find(one => one.waits);
  if (item) return send(item);
  if (storedCount > 0) say(`${many(storedCount, 'file')} uploaded.`);
  storedCount = 0;
}

function again(item) {
  Object.assign(item, { waits: true, over: false, asks: false });
  item.progress.value = 0;
  tell(item, 'Waits', ['Cancel', () => end(item, 'Cancelled')]);
  next();
}

function failed(item, text) {
  end(item, text, ['Try again', () => again(item)]);
  say(`${item.file.name} was not uploaded. ${text}`);
}

async function send(item) {
  const request = new XMLHttpRequest();
  item.request = request;
  item.waits = false;
  if (item.file.size > LONG && item.conditions['If-None-Match']) {
    const etag = await tag(item.path).catch(() => null);
    if (etag && !item.over) exists(item, etag);
    if (etag || item.over) {
      item.request = null;
      return next();
    }
  }
  // fetch() tells nothing of how far a body has gone.
  request.open('PUT', address(item.path));
  const sent = { ...headers(), 'Content-Type': item.file.type || 'application/octet-stream', ...item.conditions };
  Object.entries(sent).forEach(([header, value]) => request.setRequestHeader(header, value));
  request.upload.addEventListener('progress', event => {
    if (!event.lengthComputable || event.total === 0) return;
    item.progress.value = event.loaded / event.total;
    item.state.textContent = event.loaded < event.total
      ? `${Math.floor(100 * event.loaded / event.total)} % of ${size(event.total)}`
      : 'Being written to the disk';
  });
  request.addEventListener('load', () => answered(item, request));
  request.addEventListener('error', () =>
    failed(item, 'It broke off: the node does not answer, or takes no document as long as this. See that it runs, then try again.'));
  request.addEventListener('abort', () => end(item, 'Cancelled'));
  request.addEventListener('loadend', () => {
    item.request = null;
    next();
  });
  request.send(item.file);
  tell(item, 'Begins', ['Cancel', () => request.abort()]);
}

function answered(item, request) {
  if (request.status === 200 || request.status === 201) {
    storedCount += 1;
    item.progress.value = 1;
    end(item, 'Uploaded');
    return stored(item.folder);
  }
  noteStatus(request.status);
  const etag = request.getResponseHeader('ETag');
  if (request.status === 412 && etag) return exists(item, etag.replaceAll('"', ''));
  const sentence = request.responseText.trim();
  failed(item, sentence && !sentence.startsWith('<') ? plain(sentence) : `The node answered with ${request.status}. Try again.`);
}

function exists(item, etag) {
  item.asks = true;
  tell(item, 'There is one of this name already.',
    ['Replace it', () => {
      item.conditions = { 'If-Match': `"${etag}"` };
      again(item);
    }],
    ['Leave it', () => end(item, 'Not uploaded')]);
  say(`There is ${item.file.name} already: choose in the list of uploads whether to replace it.`);
}

addEventListener('beforeunload', event => {
  if (isRunning()) event.preventDefault();
});
