// From bought to active: follows the service's events, checks the endpoint, signs the handover with the session key.
import { api } from '../api.js';
import { CHAIN_ID, MARKET } from '../chain.js';
import { hashOf } from '../keys/canonical.js';
import { marketDomain, typedData } from '../proof/typed_data.js';

const RETRY_MS = 500;

/** @typedef {{ name: string, atMs: number, words: string, detail: any }} Progress */

/**
 * Resolves when the service is active; rejects with the reason where it is refused.
 * @param {string} subscriptionId
 * @param {import('../keys/session-key.js').SessionKey} key
 * @param {(event: Progress) => void} tell
 * @returns {Promise<void>}
 */
export function takeOver(subscriptionId, key, tell) {
  return new Promise((resolve, reject) => {
    let stream = null;
    const stop = (settle, value) => {
      stream.close();
      settle(value);
    };
    const listen = () => {
      stream = new EventSource(`/api/v1/subscriptions/${subscriptionId}/events`);
      for (const kind of ['chain', 'step', 'state', 'waiting']) stream.addEventListener(kind, hear);
      stream.onerror = () => {
        if (stream.readyState === EventSource.CLOSED) setTimeout(listen, RETRY_MS); // not known yet, or too many readers
      };
    };
    const hear = (message) => {
      const event = JSON.parse(message.data);
      tell(event);
      if (event.name === 'running') activate(subscriptionId, key).catch((cause) => stop(reject, cause));
      if (event.name === 'active') stop(resolve);
      if (event.name === 'refused') stop(reject, new Error(refusalWords(event.detail.refusal)));
    };
    listen();
  });
}

/** @param {string} subscriptionId @param {import('../keys/session-key.js').SessionKey} key */
async function activate(subscriptionId, key) {
  const { service } = await api('GET', `/subscriptions/${subscriptionId}`);
  const endpointHash = checkedEndpoint(subscriptionId, service);
  const signature = await key.sign(typedData(marketDomain(CHAIN_ID, MARKET), 'Activation', { subscriptionId, endpointHash }));
  await api('POST', `/subscriptions/${subscriptionId}/activation`, { endpointHash, signature });
}

/** The endpoint's hash, once its document hashes to it and names this subscription. */
function checkedEndpoint(subscriptionId, { endpoint, endpointHash, endpointDocument }) {
  const names = endpointDocument?.url === endpoint && String(endpointDocument?.subscriptionId) === subscriptionId;
  if (!names || hashOf(endpointDocument) !== endpointHash.toLowerCase()) {
    throw new Error('The endpoint is not the one that would be activated. Nothing was signed: take your money back after the deadline.');
  }
  return endpointHash;
}

function refusalWords(refusal) {
  const why = refusal?.detail ?? refusal?.title ?? 'no reason was told';
  return `The service was refused: ${why} Your money comes back: take it on the subscription’s page after the activation deadline.`;
}
