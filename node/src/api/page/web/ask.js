// The node's end: what the page asks, and the session that it asks in.

const KEY = 'cairn-session';
/** Another page of this browser cannot read it; it goes when the tab is closed. */
let session = sessionStorage.getItem(KEY);
let user = '';
let ended = () => {};

/** What went wrong: `message` says what to do next, `status` is HTTP's, 0 if no answer came. */
export class Failure extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export const NO_ANSWER = 'The node does not answer. See that it runs and that this computer reaches it, then try again.';

export const signedIn = () => session !== null;
export const userName = () => user;
/** What to do when the session has ended. */
export const whenEnded = then => { ended = then; };

function keep(text) {
  session = text;
  if (text === null) sessionStorage.removeItem(KEY);
  else sessionStorage.setItem(KEY, text);
}

export const headers = () => ({ Authorization: `Bearer ${session}` });

/** Takes note of an answer that says that the session is over. */
export function noteStatus(status) {
  if (status === 401 && session !== null) {
    keep(null);
    ended();
  }
}

async function send(url, options) {
  let answer;
  try {
    answer = await fetch(url, { ...options, redirect: 'error', referrerPolicy: 'no-referrer' });
  } catch {
    throw new Failure(0, NO_ANSWER);
  }
  if (answer.ok) return answer;
  noteStatus(answer.status);
  const text = (await answer.text().catch(() => '')).trim();
  throw new Failure(answer.status, text || `The node answered with ${answer.status}. Try again.`);
}

async function post(name, value, more = {}) {
  const answer = await send(name, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...more },
    body: JSON.stringify(value),
  });
  try {
    return await answer.json();
  } catch {
    throw new Failure(0, NO_ANSWER);
  }
}

/** Whose node it is, and whether a passphrase is set. */
export async function hello() {
  const told = await (await send('hello')).json();
  user = told.user;
  return told;
}

export async function signIn(passphrase) {
  keep((await post('sign-in', { passphrase })).session);
}

export async function signOut() {
  const sent = headers();
  keep(null);
  await post('sign-out', null, sent);
}

/** Asks what the command line would ask. What the page asks by itself does not keep the session open. */
export const ask = (request, byItself = false) => post(byItself ? 'ask?by=page' : 'ask', request, headers());

export const qr = text => post('qr', { text }, headers());

/** The address of a document or folder. */
export function address(path) {
  const names = path.split('/').slice(1);
  if (names[0] === 'private') names.shift();
  return `../storage/${[user, ...names].map(encodeURIComponent).join('/')}`;
}

/** False for documents that have no address: private modules with the name of another category. */
export const hasAddress = path => !/^\/private\/(public|shared)\//.test(path);

/** A document, or one of its concurrent versions. */
export const read = (path, version) =>
  send(address(path) + (version ? `?version=${encodeURIComponent(version)}` : ''), { headers: headers(), cache: 'no-store' });

/** The tag of the document at a path; null if there is none. */
export async function tag(path) {
  const answer = await send(address(path), { method: 'HEAD', headers: headers(), cache: 'no-store' });
  return answer.headers.get('ETag')?.replaceAll('"', '') ?? null;
}

export const store = (path, body, type, conditions) =>
  send(address(path), { method: 'PUT', headers: { ...headers(), 'Content-Type': type, ...conditions }, body });

export const remove = (path, etag) =>
  send(address(path), { method: 'DELETE', headers: { ...headers(), 'If-Match': `"${etag}"` } });

/** Has the browser save a document: it loads it by itself, however long it is. */
export async function download(path, version) {
  const { ticket } = await post('ticket', { path }, headers());
  const link = document.createElement('a');
  const query = new URLSearchParams({ access_token: ticket, ...(version && { version }) });
  link.href = `${address(path)}?${query}`;
  link.download = path.slice(path.lastIndexOf('/') + 1);
  link.click();
}
