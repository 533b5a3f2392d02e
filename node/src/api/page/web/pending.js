// What waits: changes for other devices, and documents whose bytes are not here.

import { ask } from './ask.js';
import { el, id, many, name, plain, size, table } from './dom.js';

export const title = 'Pending';
export const live = true;

export async function load(_, byItself) {
  const [queue, status] = await Promise.all([ask({ do: 'queue' }, byItself), ask({ do: 'status' }, byItself)]);
  return { queue, incomplete: status.incomplete, requested: status.requested };
}

export function draw({ queue, incomplete, requested }) {
  return [
    queue.length === 0 && el('p', {}, 'Nothing waits: every device has all changes of this one.'),
    queue.map(forDevice),
    el('h2', {}, 'Not here yet'),
    el('p', {}, incomplete === 0 ? 'All documents are here with their bytes.'
      : `The bytes of ${many(incomplete, 'document')} are not here yet${requested ? `; ${requested} of them were asked for` : ''}. `
        + 'They come by themselves over links; what is too long for the radio, from the list of files.'),
  ];
}

function forDevice(device) {
  const left = device.pending - device.changes.length;
  return [
    el('h2', {}, many(device.pending, 'change'), ' for ', name(device.name), ' ', id(device.node)),
    el('p', { class: 'hint' }, device.linked ? 'It is linked: they are on their way.' : 'It is away: they wait until it is linked or heard.'),
    device.refused && el('p', { class: 'warning' }, 'Last refused: ', plain(device.refused)),
    table(`What waits for ${plain(device.name)}`, ['Document', 'Change', 'Size'], device.changes.map(change => el('tr', {},
      el('th', { scope: 'row' }, name(change.path)),
      el('td', {}, change.operation === 'PUT' ? 'Stored' : 'Deleted'),
      el('td', { class: 'number' }, change.operation === 'PUT' ? size(change.bytes) : '')))),
    left > 0 && el('p', { class: 'hint' }, `And ${left} more.`),
  ];
}
