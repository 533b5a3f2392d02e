// The devices of this space: invite, shut out.

import { ask, qr } from './ask.js';
import { attempt, confirm } from './dialog.js';
import { button, el, field, id, lasting, many, name, say, select, table } from './dom.js';
import { standing } from './neighbours.js';

export const title = 'Devices';

export const load = (_, byItself) => ask({ do: 'status' }, byItself);

export function draw(status, _, again) {
  const own = el('tr', {},
    el('th', { scope: 'row' }, 'This node ', el('span', { class: 'id' }, status.node)), el('td', {}, 'Here'), el('td', {}));
  // Other users' nodes stand under Sharing.
  const peers = status.peers.filter(peer => !peer.custodian);
  return [
    table(many(peers.length + 1, 'device'), ['Device', 'State', ['Actions', 'unseen']],
      [own, peers.map(peer => row(peer, again))]),
    inviteForm(),
  ];
}

function row(peer, again) {
  return el('tr', {},
    el('th', { scope: 'row' }, name(peer.name), ' ', id(peer.node)),
    el('td', {}, standing(peer)),
    el('td', {}, !peer.revoked && button('Shut out', () => revoke(peer, again), { about: peer.name, 'data-key': peer.node })));
}

async function revoke(peer, again) {
  const yes = await confirm(`Shut out ${peer.name} for good?`,
    `Device ${peer.node.slice(0, 16)} gets nothing any more and changes nothing any more. This cannot be taken back: it would have to `
    + 'join anew with a new folder. What it holds already it keeps: change the secrets that were in your documents.', 'Shut out for good');
  if (!yes) return;
  const done = await attempt('Shutting out', () => ask({ do: 'revoke', node: peer.node }));
  if (!done) return;
  await again();
  say(`${peer.name} is shut out.`);
}

function inviteForm() {
  const valid = select([['3600', '1 hour'], ['86400', '24 hours'], ['604800', '7 days']], '86400');
  const made = el('div');
  const form = el('form', {},
    el('h2', {}, 'Invite a device'),
    el('p', { class: 'hint' }, 'Whoever has the code can join and then reads and writes everything. Give it to your own device alone.'),
    field('It may be used for', valid),
    el('p', {}, button('Make an invite', null, { type: 'submit', main: true, 'data-key': 'invite' })));
  form.addEventListener('submit', event => {
    event.preventDefault();
    attempt('The invite', async () => {
      const { code, valid_s } = await ask({ do: 'invite', addresses: [], valid_s: Number(valid.value) });
      const hint = `On the other device: cairn join CODE, then cairn. The code may be used for ${lasting(valid_s)}.`;
      const shown = secret('Invite', code, hint);
      // A text is enough where it cannot be drawn.
      const drawn = await qr(code).catch(() => null);
      if (drawn) shown.append(picture(drawn));
      made.replaceChildren(shown);
      say('The invite is made. It is shown below the form.');
    });
  });
  return el('div', {}, form, made);
}

function picture({ width, outline }) {
  const SVG = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(SVG, 'svg');
  const attributes = { class: 'qr', viewBox: `0 0 ${width} ${width}`, role: 'img', 'aria-label': 'The invite as a QR code', 'shape-rendering': 'crispEdges' };
  Object.entries(attributes).forEach(([key, value]) => svg.setAttribute(key, value));
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', outline);
  svg.append(path);
  return svg;
}

/** A text to copy. */
export function secret(label, text, hint) {
  const shown = el('textarea', { readonly: true, rows: Math.min(12, Math.ceil(text.length / 48)), spellcheck: 'false' }, text);
  const copy = button('Copy', async () => {
    shown.select();
    try {
      // Not to be had without encryption.
      await navigator.clipboard.writeText(text);
      say('Copied.');
    } catch {
      shown.focus();
      say('It is selected: copy it with the keys of your system.');
    }
  }, { about: `the ${label.toLowerCase()}` });
  return el('div', { class: 'secret' }, field(label, shown, hint), el('p', {}, copy));
}
