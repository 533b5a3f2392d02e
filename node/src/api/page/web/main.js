// The page's frame: sign-in, the parts and the way between them.
//
// A part has `title`, `load(path, byItself)`, which asks the node, and `draw(data, path, again)`, which gives the elements for the
// answer; `live` parts are asked again now and then. The address says which part is shown: `#/files/private/notes/`.

import { Failure, ask, hello, signIn, signOut, signedIn, userName, whenEnded } from './ask.js';
import { button, el, field, plain, say } from './dom.js';
import * as conflicts from './conflicts.js';
import * as devices from './devices.js';
import * as files from './files.js';
import * as following from './following.js';
import * as neighbours from './neighbours.js';
import * as pending from './pending.js';
import * as sharing from './sharing.js';
import * as tokens from './tokens.js';
import * as uploads from './uploads.js';

const PARTS = { files, sharing, following, neighbours, pending, conflicts, devices, tokens };
const LIVE_MS = 5000;
const UPLOADING_MS = 60_000;

const main = document.getElementById('main');
const views = document.getElementById('views');
const leave = document.getElementById('sign-out');

/** What is shown: the part, its path, where it stands; each showing is an object of its own. */
let shown = null;
let live = true;

/** The part and the path of the address. */
function parse() {
  const [, name, ...rest] = location.hash.split('/');
  try {
    return [PARTS[name] ? name : 'files', rest.map(decodeURIComponent).join('/')];
  } catch {
    return ['files', ''];
  }
}

function frame(title, ...content) {
  const heading = el('h1', { tabindex: '-1' }, title);
  document.title = `${title} – Cairn`;
  main.replaceChildren(heading, ...content.filter(Boolean));
  return heading;
}

async function show(focus) {
  if (!signedIn()) return showSignIn();
  const [name, path] = parse();
  const part = PARTS[name];
  const place = el('div', { 'aria-busy': 'true' }, el('p', { class: 'hint' }, 'Loading…'));
  const tick = el('input', { type: 'checkbox', checked: live, onchange: () => { live = tick.checked; } });
  shown = { part, path, place };
  const heading = frame(plain(part.heading?.(path) ?? part.title),
    part.live && el('label', { class: 'tick' }, tick, ' Keep this up to date'), place);
  for (const link of views.querySelectorAll('a')) {
    if (link.dataset.name === name) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  say('');
  if (focus) heading.focus();
  await refresh(shown, false);
}

/** Asks again, and draws what is new. */
async function refresh(showing, byItself) {
  let drawn;
  try {
    const data = await showing.part.load(showing.path, byItself);
    if (showing !== shown) return;
    drawn = showing.part.draw(data, showing.path, () => refresh(showing, false));
  } catch (error) {
    if (error.status === 401 || showing !== shown) return;
    if (!(error instanceof Failure)) console.error(error);
    drawn = [el('p', { class: 'warning', role: 'alert' }, plain(error.message)), button('Try again', () => refresh(showing, false))];
  }
  const fresh = el('div', {}, drawn);
  // What looks the same stays: whoever reads it keeps their place.
  if (byItself && fresh.textContent === showing.place.textContent) return;
  // Whoever works with the keyboard stays where they are.
  const inside = showing.place.contains(document.activeElement);
  const key = document.activeElement?.dataset.key;
  showing.place.replaceChildren(...fresh.childNodes);
  showing.place.removeAttribute('aria-busy');
  if (inside) {
    const same = [...showing.place.querySelectorAll('[data-key]')].find(one => one.dataset.key === key);
    (same ?? main.querySelector('h1')).focus();
  }
}

/** Whether drawing anew would take something from under somebody's hands. */
const isBusy = () => document.querySelector('dialog') !== null
  || ['INPUT', 'SELECT', 'TEXTAREA'].includes(document.activeElement?.tagName) && shown.place.contains(document.activeElement);

let looking = false;
setInterval(async () => {
  if (looking || !signedIn() || !shown?.part.live || !live || document.hidden || isBusy()) return;
  looking = true;
  await refresh(shown, true);
  looking = false;
}, LIVE_MS);
// Who uploads something long is still there.
setInterval(() => {
  if (signedIn() && uploads.isRunning()) ask({ do: 'status' }).catch(() => {});
}, UPLOADING_MS);

async function showSignIn(notice = '') {
  shown = null;
  document.querySelectorAll('dialog').forEach(dialog => dialog.close());
  views.hidden = leave.hidden = true;
  let told;
  try {
    told = await hello();
  } catch (error) {
    frame('Sign in to your node', el('p', { class: 'warning', role: 'alert' }, error.message), button('Try again', () => showSignIn(notice)));
    return;
  }
  document.getElementById('user').textContent = `– storage of ${plain(told.user)}`;
  if (!told.passphrase) {
    frame('This node has no passphrase yet',
      el('p', {}, 'Set one on the machine where it runs, with the command ', el('code', {}, 'cairn passwd'), '.'),
      button('Try again', () => showSignIn()));
    return;
  }
  const warning = el('p', { id: 'notice', class: 'warning', role: 'alert', hidden: !notice }, notice);
  const passphrase = el('input', {
    type: 'password', name: 'passphrase', autocomplete: 'current-password', required: true, 'aria-describedby': 'notice',
  });
  const submit = el('button', { class: 'main', type: 'submit' }, 'Sign in');
  const form = el('form', { method: 'post', class: 'card' },
    !isSecureContext && el('p', { class: 'warning' },
      'The way to this node is not encrypted (http): others on the network can read your passphrase. Sign in on the machine itself, or give the node a certificate.'),
    warning,
    // Password managers file a passphrase under a name.
    field('User', el('input', { type: 'text', autocomplete: 'username', value: told.user, readonly: true })),
    field('Passphrase of this node', passphrase, 'The one that cairn passwd has set.'),
    el('p', {}, submit));
  form.addEventListener('submit', async event => {
    event.preventDefault();
    submit.disabled = true;
    try {
      await signIn(passphrase.value);
      enter();
      await show(true);
    } catch (error) {
      // Emptied first, so that the same text is said again.
      warning.textContent = '';
      warning.hidden = false;
      warning.textContent = error.message;
      passphrase.value = '';
      passphrase.focus();
    } finally {
      submit.disabled = false;
    }
  });
  frame('Sign in to your node', form);
  passphrase.focus();
}

/** Shows what those see who are signed in. */
function enter() {
  document.getElementById('user').textContent = `– storage of ${plain(userName())}`;
  views.hidden = leave.hidden = false;
}

views.append(el('ul', {}, Object.entries(PARTS).map(([name, part]) =>
  el('li', {}, el('a', { href: `#/${name}/`, 'data-name': name }, part.title)))));
leave.addEventListener('click', async () => {
  try {
    await signOut();
    await showSignIn('You are signed out.');
  } catch (error) {
    await showSignIn(`This page has forgotten the sign-in, but the node was not told: it ends there in 15 minutes. ${error.message}`);
  }
});
whenEnded(() => showSignIn('The sign-in has ended. Sign in again.'));
addEventListener('hashchange', () => show(true));
document.querySelector('.skip').addEventListener('click', event => {
  // The address is taken: it says what is shown.
  event.preventDefault();
  main.focus();
});
uploads.whenStored(folder => {
  if (shown?.part === files && files.folder(shown.path) === folder) refresh(shown, false);
});

if (signedIn()) {
  try {
    await hello();
    enter();
    await show(false);
  } catch (error) {
    await showSignIn(error.message);
  }
} else {
  await showSignIn();
}
