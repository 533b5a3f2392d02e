// Access tokens of programs and apps.

import { ask } from './ask.js';
import { attempt, confirm } from './dialog.js';
import { button, el, field, many, name, say, select, table, time } from './dom.js';
import { secret } from './devices.js';

export const title = 'Tokens';

export const load = (_, byItself) => ask({ do: 'token_list' }, byItself);

export function draw(tokens, _, again) {
  return [
    el('p', { class: 'hint' }, 'A token lets a program or an app in. Apps get theirs when you let them in; they end as shown.'),
    table(many(tokens.length, 'token'), ['For', 'May', 'Last used', 'Good until', ['Actions', 'unseen']],
      tokens.map(token => row(token, again))),
    makeForm(again),
  ];
}

function words(scope) {
  const [, module, level] = /^(.*):(rw?)$/.exec(scope) ?? [null, scope, ''];
  return [level === 'rw' ? 'Read and write ' : 'Read ', module === '*' ? 'everything' : name(module)];
}

function row(token, again) {
  const called = token.name || token.origin || token.id;
  return el('tr', {},
    el('th', { scope: 'row' }, token.name && name(token.name),
      token.origin && token.origin !== token.name && el('div', {}, name(token.origin)), el('div', { class: 'id' }, token.id)),
    el('td', {}, token.scopes.map(scope => el('div', {}, words(scope)))),
    el('td', {}, time(token.used_ms, 'Never')),
    el('td', {}, token.expired ? 'Ended' : token.expires_ms ? time(token.expires_ms) : 'You remove it'),
    el('td', {}, button('Remove', async () => {
      if (!await confirm('Remove this token?', `${called} is out at once, and has to be let in anew.`, 'Remove')) return;
      const done = await attempt('Removing the token', () => ask({ do: 'token_remove', token: token.id }));
      if (!done) return;
      await again();
      say('The token is removed.');
    }, { about: `the token of ${called}`, 'data-key': token.id })));
}

function makeForm(again) {
  const called = el('input', { type: 'text', maxlength: 200 });
  const module = el('input', { type: 'text', required: true, pattern: '[^\\/:]+', value: '*', autocapitalize: 'off', spellcheck: 'false' });
  const level = select([['r', 'Read'], ['rw', 'Read and write']], 'r');
  const ends = select([['1', '1 day'], ['30', '30 days'], ['90', '90 days'], ['365', '365 days'], ['', 'Until it is removed']], '90');
  const form = el('form', {},
    el('h2', {}, 'Make a token'),
    field('Name', called, 'For you: which program it is for.'),
    field('Module', module, 'The first folder below private, public and shared that it opens; * opens all.'),
    field('It may', level),
    field('Good for', ends),
    el('p', {}, button('Make a token', null, { type: 'submit', main: true, 'data-key': 'make' })));
  form.addEventListener('submit', event => {
    event.preventDefault();
    attempt('Making a token', async () => {
      const expires_s = ends.value ? Number(ends.value) * 86400 : null;
      const { token } = await ask({ do: 'token_new', scopes: [`${module.value}:${level.value}`], name: called.value, expires_s });
      await again();
      // Drawn anew: the place is another one now.
      document.querySelector('#main form').after(secret('Token', token, 'It is shown now and never again: copy it to where it is used.'));
      say('The token is made. It is shown below the form.');
    });
  });
  return form;
}
