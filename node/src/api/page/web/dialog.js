// Questions that must be answered before anything goes on, and failures that must be seen.

import { button, el, plain } from './dom.js';

let count = 0;

function open(title, content, buttons) {
  const heading = `dialog-${++count}`;
  const dialog = el('dialog', { 'aria-labelledby': heading },
    el('h2', { id: heading }, plain(title)), content, el('div', { class: 'row' }, buttons));
  document.body.append(dialog);
  return new Promise(answered => {
    dialog.addEventListener('close', () => {
      dialog.remove();
      answered(dialog.returnValue);
    });
    buttons.forEach(made => made.addEventListener('click', () => dialog.close(made.value)));
    dialog.showModal();
  });
}

/** Asks; the answer that changes nothing has the focus. True for yes. */
export async function confirm(title, text, yes) {
  const answer = await open(title, el('p', {}, plain(text)), [
    button('Cancel', null, { value: '', autofocus: true }),
    button(yes, null, { value: 'yes', main: true }),
  ]);
  return answer === 'yes';
}

/** Shows what went wrong. */
export const tell = (title, text) =>
  open(title, el('p', { class: 'warning' }, plain(text)), [button('Close', null, { value: '', autofocus: true })]);

/** Does something that may fail; says what failed. Gives whether it went well. */
export async function attempt(what, work) {
  try {
    await work();
    return true;
  } catch (error) {
    // The session's end is told by the sign-in.
    if (error.status !== 401) await tell(`${what} failed`, error.message);
    return false;
  }
}
