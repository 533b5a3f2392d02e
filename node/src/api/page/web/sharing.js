// Other users: what is shared with whom, cards, and who keeps copies.

import { ask } from './ask.js';
import { attempt, confirm } from './dialog.js';
import { button, el, field, id, many, name, say, select, size, table } from './dom.js';
import { secret } from './devices.js';

export const title = 'Sharing';

export async function load(_, byItself) {
  const [shares, cards, custody] = await Promise.all(
    ['share_list', 'card_list', 'custody_list'].map(what => ask({ do: what }, byItself)));
  return { shares, cards, custody };
}

export function draw({ shares, cards, custody }, path, again) {
  return [
    table(many(shares.length, 'shared folder'), ['Folder', 'With', 'State', ['Actions', 'unseen']], shares.map(share => row(share, again))),
    shareForm(path, cards, again), acceptForm(again),
    el('h2', {}, 'Users'),
    table(many(cards.length, 'card'), ['User', 'Owner', ['Actions', 'unseen']], cards.map(card => cardRow(card, again))),
    cardForm(again),
    el('h2', {}, 'Copies'),
    el('p', { class: 'hint' }, 'Other users’ nodes can keep copies of all your documents. They cannot read private and shared ones. With your recovery phrase one of them is enough to bring everything back.'),
    copies(custody, again), custodianForm(again), keepForm(again),
  ];
}

/** A form that does something and shows what came of it below. */
export function made(heading, hint, fields, does, work) {
  const shown = el('div');
  const form = el('form', {}, el('h2', {}, heading), hint && el('p', { class: 'hint' }, hint), fields,
    el('p', {}, button(does, null, { type: 'submit', main: true, 'data-key': does })));
  form.addEventListener('submit', event => {
    event.preventDefault();
    attempt(heading, () => work(content => shown.replaceChildren(content)));
  });
  return el('div', {}, form, shown);
}

export const text = (more = {}) => el('input', { type: 'text', required: true, spellcheck: 'false', autocapitalize: 'off', ...more });

/** After a list is drawn anew, below its form: the place is another one then. */
const after = (heading, content) =>
  [...document.querySelectorAll('#main form')].find(form => form.querySelector('h2').textContent === heading)?.after(content);

function row(share, again) {
  const guests = share.with.map(guest => el('div', {}, name(guest.user), guest.write ? '' : ', to read', guest.devices ? '' : ', not there yet', ' ',
    button('Take away', () => take(share, guest, again), { about: `${share.folder} from ${guest.user}`, 'data-key': share.space + guest.owner })));
  const whose = share.mine ? guests.length ? guests : 'Nobody' : ['From ', name(share.from), share.write ? '' : ', to read'];
  const state = share.problem ?? (!share.mounted ? 'Documents of your own lie there: move them elsewhere'
    : `${many(share.documents, 'document')}, ${size(share.bytes)}${share.ended ? ', shared no longer' : ''}`);
  return el('tr', {},
    el('th', { scope: 'row' }, el('a', { href: `#/files${share.folder.split('/').map(encodeURIComponent).join('/')}` }, name(share.folder))),
    el('td', {}, whose), el('td', {}, state),
    el('td', {}, !share.mine && button('Leave', () => leave(share, again), { about: share.folder, 'data-key': share.space })));
}

async function take(share, guest, again) {
  const yes = await confirm(`Share ${share.folder} no longer with ${guest.user}?`,
    'What that user has stays there. What is written from now on cannot be read there.', 'Take away');
  if (!yes || !await attempt('Taking it away', () => ask({ do: 'unshare', folder: share.folder, with: guest.owner }))) return;
  await again();
  say(`${share.folder} is not shared with ${guest.user} any more.`);
}

async function leave(share, again) {
  const yes = await confirm(`Leave ${share.folder}?`, `It goes from all your devices. ${share.from} and others keep it.`, 'Leave');
  if (!yes || !await attempt('Leaving', () => ask({ do: 'unshare', folder: share.folder, with: null }))) return;
  await again();
  say(`${share.folder} is not here any more.`);
}

function shareForm(path, cards, again) {
  const folder = text({ value: path.startsWith('shared/') ? `/${path}` : '/shared/', pattern: '/shared/.*[^\\/].*' });
  const user = select(cards.map(card => [card.owner, card.name]), '');
  const may = select([['', 'Read'], ['write', 'Read and write']], '');
  const heading = 'Share a folder';
  if (cards.length === 0) return el('div', {}, el('h2', {}, heading), el('p', { class: 'hint' }, 'First keep the card of the user with whom you share: see below.'));
  return made(heading, 'What lies in it now is shared, and what comes.', [
    field('Folder', folder, 'Below /shared/, such as /shared/photos/garden/.'), field('With', user), field('Who may', may),
  ], 'Share', async () => {
    const told = await ask({ do: 'share', folder: folder.value, with: user.value, write: may.value !== '' });
    await again();
    after(heading, secret('Invitation', told.code, 'It goes to that user’s devices by itself when one is linked and your card is there. Or give it by hand: nobody else can use it.'));
    say(`${told.folder} is shared with ${told.with}.`);
  });
}

function acceptForm(again) {
  const code = text();
  return made('Let a folder in', 'From a user who shares one with you and gave you an invitation.', field('The invitation', code), 'Let it in', async () => {
    const told = await ask({ do: 'share_accept', code: code.value });
    await again();
    say(`${told.folder} is shared by ${told.from}.`);
  });
}

function cardRow(card, again) {
  return el('tr', {}, el('th', { scope: 'row' }, name(card.name)), el('td', {}, id(card.owner)),
    el('td', {}, button('Forget', async () => {
      if (!await confirm(`Forget ${card.name}?`, 'What is shared stays shared.', 'Forget')) return;
      if (await attempt('Forgetting', () => ask({ do: 'card_remove', whose: card.owner }))) await again();
    }, { about: card.name, 'data-key': card.owner })));
}

function cardForm(again) {
  const card = text();
  const called = text({ required: false });
  return el('div', {},
    made('Your card', 'Give it to users who are to share with you. There is no secret in it.', [], 'Show your card', async show => {
      show(secret('Card', (await ask({ do: 'card', addresses: [] })).code, 'On the other user’s node: keep a card, or cairn card add CARD.'));
    }),
    made('Keep a card', 'A user whose card is here may share folders with you, and you with that user.', [
      field('The card', card), field('Name', called, 'Of your own choice; if empty, the one on the card.'),
    ], 'Keep it', async () => {
      const told = await ask({ do: 'card_add', card: card.value, name: called.value || null });
      await again();
      say(`${told.name} is kept.`);
    }));
}

function copies({ custodians, kept }, again) {
  const custodian = one => el('tr', {}, el('th', { scope: 'row' }, name(one.name), ' ', id(one.node)), el('td', {}, 'Keeps yours'),
    el('td', {}, one.in_step ? 'Has everything' : `Lacks ${many(one.pending, 'document')}`),
    el('td', {}, button('Remove', async () => {
      const yes = await confirm(`Let ${one.name} keep yours no longer?`, 'It gets nothing more, for good. What it has it may keep.', 'Remove');
      if (yes && await attempt('Removing', () => ask({ do: 'revoke', node: one.node }))) await again();
    }, { about: one.name, 'data-key': one.node })));
  const other = one => el('tr', {}, el('th', { scope: 'row' }, name(one.user), ' ', id(one.owner)), el('td', {}, one.share_of ? 'Kept here, a shared folder' : 'Kept here'),
    el('td', {}, one.problem ?? `${many(one.documents, 'document')}, ${size(one.bytes)}`),
    el('td', {}, !one.share_of && button('Drop', async () => {
      const yes = await confirm(`Drop what is kept for ${one.user}?`, 'It is removed here, for good. Tell that user first: it may be the last copy.', 'Drop');
      if (yes && await attempt('Dropping', () => ask({ do: 'custody_drop', whose: one.owner }))) await again();
    }, { about: one.user, 'data-key': one.owner })));
  return table(many(custodians.length + kept.length, 'copy').replace(/copys$/, 'copies'), ['Who', 'What', 'State', ['Actions', 'unseen']],
    [custodians.map(custodian), kept.map(other)]);
}

function custodianForm(again) {
  const node = text({ pattern: '[0-9a-fA-F]{64}' });
  const called = text({ value: 'friend' });
  const heading = 'Let a node keep copies';
  return made(heading, '', [
    field('Its id', node, 'All 64 digits: that node’s page shows it under Devices, and cairn status.'), field('A name for it', called),
  ], 'Make a code', async () => {
    const { code } = await ask({ do: 'custody_add', node: node.value, name: called.value, addresses: [] });
    await again();
    after(heading, secret('Code', code, 'For that node alone: its user keeps your documents with it.'));
    say('The code is made. It is shown below the form.');
  });
}

function keepForm(again) {
  const code = text();
  const gib = el('input', { type: 'number', min: 1, max: 1048576, step: 1 });
  return made('Keep another user’s documents', '', [
    field('The code', code), field('At most, in GiB', gib, 'If empty, as much as there is room for.'),
  ], 'Keep them', async () => {
    const told = await ask({ do: 'custody_accept', code: code.value, quota_bytes: gib.value ? Number(gib.value) * 2 ** 30 : null });
    await again();
    say(`The documents of ${told.user} are kept here.`);
  });
}
