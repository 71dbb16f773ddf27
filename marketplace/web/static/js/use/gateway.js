// Calls of the gateway through this origin (/gateway/…), each proven by this browser's key, in a session that the
// subscription's session key has bound to it. What passes by itself is tried again, with the same bytes.
import { CHAIN_ID, MARKET } from '../chain.js';
import { proof, thumbprint } from '../identity/key.js';
import { marketDomain, typedData } from '../proof/typed_data.js';
import { Problem } from '../api.js';

const BINDING_S = 3600;
const RENEW_BEFORE_S = 20;
const PATIENCE_MS = 30_000;
const PASSING = new Set([429, 502, 503, 504]); // a program is away for a moment, or too many uses wait

export class GatewayDoor {
  #id;
  #key;
  #token = { token: '', expires: 0 };

  /**
   * @param {string} subscriptionId
   * @param {import('../keys/session-key.js').SessionKey} key
   * @param {(words: string) => void} [tell] hears what is waited for
   */
  constructor(subscriptionId, key, tell = () => {}) {
    this.#id = subscriptionId;
    this.#key = key;
    this.tell = tell;
  }

  /**
   * Asks until there is an answer; throws a Problem where the gateway says no, or nobody answers for too long.
   * @param {string} method
   * @param {string} path at the gateway
   * @param {string} [body]
   */
  async ask(method, path, body = '') {
    const giveUp = Date.now() + PATIENCE_MS;
    for (let pause = 100, hasRenewed = false; ; pause = Math.min(2 * pause, 1000)) {
      try {
        return await this.#once(method, path, body);
      } catch (cause) {
        if (!(cause instanceof Problem)) throw cause;
        if (isStale(cause) && !hasRenewed) {
          hasRenewed = true;
          this.#token.expires = 0;
          continue;
        }
        if (!PASSING.has(cause.status) || Date.now() > giveUp) throw cause;
        this.tell(`${cause.message} Trying again…`);
      }
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }

  async #once(method, path, body) {
    if (this.#token.expires - Date.now() / 1000 < RENEW_BEFORE_S) await this.#renew();
    return reach(method, path, body, this.#token.token);
  }

  async #renew() {
    const [jkt, expires] = [await thumbprint(), Math.floor(Date.now() / 1000) + BINDING_S];
    const message = { subscriptionId: this.#id, jkt, expires: String(expires) };
    const signature = await this.#key.sign(typedData(marketDomain(CHAIN_ID, MARKET), 'SessionBinding', message));
    const asked = JSON.stringify({ subscriptionId: this.#id, jkt, expires, signature });
    this.#token = await (await reach('POST', '/sessions', asked, null)).json();
  }
}

/**
 * One request; throws a Problem where the answer is one.
 * @param {string} method @param {string} path @param {string} body @param {string | null} token
 */
async function reach(method, path, body, token) {
  const url = `/gateway${path}`;
  const headers = { DPoP: await proof(method, location.origin + url, body, token), 'Content-Type': 'application/json' };
  if (token) headers.Authorization = `DPoP ${token}`;
  let answer;
  try {
    answer = await fetch(url, { method, headers, body: method === 'GET' ? undefined : body });
  } catch {
    throw new Problem({ code: 'no_connection', title: 'The marketplace does not answer', remedy: 'Look whether it runs; nothing is billed twice.' }, 503);
  }
  if (!answer.ok) throw new Problem(await answer.json().catch(() => ({})), answer.status);
  return answer;
}

const isStale = (problem) => ['token_expired', 'token_invalid'].includes(problem.code);
