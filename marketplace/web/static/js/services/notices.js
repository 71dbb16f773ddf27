// What happened to it: follows the marketplace's stream of notices of this subscription, where this browser holds its
// session key. Without the key the page's own list stays, which the server renews.
import { CHAIN_ID, MARKET } from '../chain.js';
import { element, facts } from '../desks/dom.js';
import { moment } from '../format.js';
import { base64url, proof, thumbprint } from '../identity/key.js';
import { SessionKey } from '../keys/session-key.js';
import { marketDomain, typedData } from '../proof/typed_data.js';

const SHOWN = 12;
const BINDING_S = 3600;
const AGAIN_MS = 2000;
const known = facts();
const path = `/api/v1/subscriptions/${known.subscriptionId}/notices`;
const at = (id) => /** @type {any} */ (document.getElementById(id));
const say = (words) => (at('told-hint').textContent = words);

follow().catch((cause) => say(`${cause.message} The list is renewed without the key.`));

async function follow() {
  const key = await SessionKey.load(known.subscriptionId);
  if (!key) return;
  const list = element('ol', { class: 'told', id: 'told-live' });
  for (let last = '0'; ; ) {
    const answer = await opened(key, last).catch(() => null);
    if (answer && !answer.ok && answer.status < 500) throw new Error((await answer.json()).detail);
    if (answer?.ok) last = await told(answer, list, last);
    say('The stream has ended; it is taken up again…');
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

/** @param {SessionKey} key @param {string} last the number after which it goes on */
async function opened(key, last) {
  const [jkt, expires] = [await thumbprint(), Math.floor(Date.now() / 1000) + BINDING_S - 60];
  const message = { subscriptionId: known.subscriptionId, jkt, expires: String(expires) };
  const signature = await key.sign(typedData(marketDomain(CHAIN_ID, MARKET), 'SessionBinding', message));
  const binding = base64url(new TextEncoder().encode(JSON.stringify({ jkt, expires, signature })));
  const headers = {
    DPoP: await proof('GET', location.origin + path, '', null),
    'S4M-Session-Binding': binding, Accept: 'text/event-stream', 'Last-Event-ID': last,
  };
  return fetch(path, { headers });
}

/** Events as they come; answers the number of the last one. @param {Response} answer @param {HTMLElement} list @param {string} last */
async function told(answer, list, last) {
  let rest = '';
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return last;
      const blocks = (rest + value).split('\n\n');
      rest = blocks.pop();
      for (const notice of blocks.map(noticeIn).filter(Boolean)) {
        last = String(notice.number);
        show(notice, list);
      }
    }
  } catch {
    return last; // cut off: the caller takes it up again
  }
}

function noticeIn(block) {
  const data = block.split('\n').find((line) => line.startsWith('data: '));
  return data ? JSON.parse(data.slice('data: '.length)) : null;
}

function show(notice, list) {
  const when = element('time', { datetime: new Date(notice.at * 1000).toISOString() }, moment(notice.at));
  const words = known.noticeWords[notice.kind] ?? notice.kind;
  const detail = Object.keys(notice.detail).length ? ` ${JSON.stringify(notice.detail)}` : '';
  list.prepend(element('li', { 'data-kind': notice.kind }, when, ` ${words} `, element('code', {}, `${notice.subject}${detail}`)));
  while (list.children.length > SHOWN) list.lastChild.remove();
  if (at('told')) at('told').replaceWith(list); // its renewal ends with it
  say('Live: everything as it happens.');
}
