// The other nodes and the ways to them, and this one.

import { ask } from './ask.js';
import { el, id, lasting, many, name, plain, size, table, time } from './dom.js';

export const title = 'Neighbours';
export const live = true;

export const load = (_, byItself) => ask({ do: 'status' }, byItself);

/** How a node stands to this one. */
export function standing(peer) {
  if (peer.revoked) return 'Shut out';
  if (peer.link !== null) return peer.in_step ? 'In step' : 'Catching up';
  return ['Away', peer.seen_ms ? [', seen ', time(peer.seen_ms)] : ''];
}

export function draw(status) {
  const peers = status.peers.filter(peer => !peer.revoked);
  return [
    status.twin && el('p', { class: 'warning' },
      'Another process uses this device’s key. Stop the other one: two nodes must never share a folder or a copy of it.'),
    el('h2', {}, 'Other nodes'),
    peers.length === 0
      ? el('p', {}, 'There are no other nodes yet. ', el('a', { href: '#/devices/' }, 'Invite a device'), '.')
      : table(many(peers.length, 'node'), ['Name', 'State', 'Link', 'Waits for it', 'Room left'], peers.map(row)),
    status.radio && radio(status.radio),
    el('h2', {}, 'This node'),
    facts([
      ['Id', id(status.node)],
      ['Storage', el('code', {}, plain(status.storage_root))],
      ['Listens on', status.listen.map(address => el('div', {}, el('code', {}, plain(address))))],
      ['Holds', `${many(status.documents, 'document')}, ${size(status.bytes)}`],
      ['Room left', size(status.free_bytes)],
      ['Clock', status.clock.set ? 'Set' : 'Not set on this computer: the time comes from the other nodes'],
    ]),
  ];
}

const facts = pairs => el('dl', {}, pairs.map(([term, value]) => [el('dt', {}, term), el('dd', {}, value)]));

function row(peer) {
  const link = peer.link === null ? 'None' : [
    el('code', {}, plain(peer.link)), ` by ${plain(peer.transport)}`,
    peer.rtt_ms !== null && `, ${Math.ceil(peer.rtt_ms)} ms`,
    peer.rssi_dbm !== null && `, heard at ${peer.rssi_dbm} dBm`,
    peer.snr_db !== null && `, ${peer.snr_db} dB over noise`,
  ];
  return el('tr', {},
    el('th', { scope: 'row' }, name(peer.name), ' ', id(peer.node)),
    el('td', {}, standing(peer)),
    el('td', {}, link, peer.refused && el('div', { class: 'warning' }, 'Last refused: ', plain(peer.refused))),
    el('td', { class: 'number' }, peer.pending === 0 ? 'Nothing' : many(peer.pending, 'change')),
    el('td', { class: 'number' }, peer.free_bytes === null ? 'Not known' : size(peer.free_bytes)));
}

function radio(info) {
  const seconds = millis => lasting(millis / 1000);
  return [
    el('h2', {}, 'Radio'),
    facts([
      ['Modem', [plain(info.modem ?? 'Not recognised yet'), ' at ', el('code', {}, plain(info.port))]],
      ['State', info.online ? 'On the air' : el('div', { class: 'warning' }, 'Not on the air', info.problem ? `: ${plain(info.problem)}` : '')],
      ['Frequency', info.frequency_hz ? `${(info.frequency_hz / 1e6).toFixed(3)} MHz` : 'Not known'],
      ['Sent', `${many(info.frames_sent, 'frame')}, ${size(info.bytes_sent)}, ${seconds(info.airtime_ms)} on air`],
      ['Heard', `${many(info.frames_heard, 'frame')}, and ${info.frames_foreign} of others`],
      ['Airtime that the law counts', info.window_allowed_ms === null
        ? 'Not limited' : `${seconds(info.window_used_ms)} of ${seconds(info.window_allowed_ms)}`],
    ]),
  ];
}
