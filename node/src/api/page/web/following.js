// Other users' public documents: who is followed, and what is here of one.

import { ask } from './ask.js';
import { attempt, confirm } from './dialog.js';
import { button, el, field, id, many, name, say, size, table, time } from './dom.js';
import { made, text } from './sharing.js';

export const title = 'Following';
/** Rows that are drawn: more only make a browser slow. */
const ROWS = 500;

export async function load(path, byItself) {
  const followed = await ask({ do: 'follow_list' }, byItself);
  const user = followed.find(one => one.owner === path.replace('/', ''));
  if (!user) return { followed };
  try {
    return { user, items: await ask({ do: 'list', folder: '/public/', recursive: true, of: user.owner }, byItself) };
  } catch (error) {
    // A folder is there as long as something is in it.
    if (error.status !== 404) throw error;
    return { user, items: [] };
  }
}

export const draw = ({ followed, user, items }, _, again) => user ? documents(user, items) : [
  table(many(followed.length, 'user'), ['User', 'What is here', ['Actions', 'unseen']], followed.map(one => row(one, again))),
  form(again),
];

function row(one, again) {
  const here = `${many(one.documents, 'document')}, ${size(one.bytes)}${one.incomplete ? `, ${one.incomplete} on the way` : ''}${one.linked ? '' : ', nobody linked'}`;
  return el('tr', {},
    el('th', { scope: 'row' }, el('a', { href: `#/following/${one.owner}` }, name(one.user)), ' ', id(one.owner)),
    el('td', {}, one.problem ?? here),
    el('td', {}, button('Unfollow', async () => {
      if (!await confirm(`Follow ${one.user} no longer?`, 'What is here of that user is removed.', 'Unfollow')) return;
      if (await attempt('Unfollowing', () => ask({ do: 'follow_remove', whom: one.owner }))) await again();
    }, { about: one.user, 'data-key': one.owner })));
}

function form(again) {
  const whom = text();
  const gib = el('input', { type: 'number', min: 1, max: 1048576, step: 1 });
  return made('Follow a user', 'What that user keeps in public/ comes here, and can be read while nobody else is in reach.', [
    field('Card or name', whom, 'A card, or the name of one that is kept under Sharing.'),
    field('At most, in GiB', gib, 'If empty, as much as there is room for.'),
  ], 'Follow', async () => {
    const told = await ask({ do: 'follow_add', whom: whom.value, quota_bytes: gib.value ? Number(gib.value) * 2 ** 30 : null });
    await again();
    say(`${told.user} is followed.`);
  });
}

function documents(user, items) {
  const rows = items.slice(0, ROWS).map(item => {
    const address = `../storage/${user.owner}/public/${item.name.split('/').map(encodeURIComponent).join('/')}`;
    return el('tr', {},
      el('th', { scope: 'row' }, item.here ? el('a', { href: address, download: '' }, name(item.name)) : [name(item.name), el('span', { class: 'hint' }, ' Not here yet')]),
      el('td', { class: 'number' }, size(item.bytes)), el('td', { class: 'wide' }, time(item.modified_ms)));
  });
  return [
    el('p', {}, el('a', { href: '#/following' }, 'All who are followed')),
    el('h2', {}, 'Public documents of ', name(user.user)),
    table(many(items.length, 'document'), ['Name', 'Size', ['Changed', 'wide']], rows),
    items.length > ROWS && el('p', { class: 'hint' }, `The first ${ROWS} of ${items.length}; cairn ls --of shows all.`),
  ];
}
