// Picking something up: the service makes it, the gateway's meter key says where it was made, the chain makes it yours.
import { api } from '../api.js';
import { ASSETS, CHAIN_ID } from '../chain.js';
import { element } from '../desks/dom.js';
import { sha256 } from '../../vendor/viem.js';
import { assetsDomain, digest, signerOf } from '../proof/typed_data.js';
import { keep } from '../store.js';

const SIZE = 256;

/** What a souvenir is asked with. @param {number} object */
export const wish = (object) => ({ object, seed: crypto.getRandomValues(new Uint32Array(1))[0], size: SIZE });

/**
 * Checks the thing's provenance, keeps its file, mints it through the marketplace's relayer. Idempotent: the same content
 * twice is one asset.
 * @param {import('../use/session.js').Use} made
 * @param {import('../use/agreement.js').Agreement} agreement
 * @returns {Promise<{ assetId: string, txHash: string, contentHash: string }>}
 */
export async function takeHome({ blob, provenance }, agreement) {
  const contentHash = sha256(new Uint8Array(await blob.arrayBuffer()));
  const { signature, ...word } = provenance;
  const signer = await signerOf(digest(assetsDomain(CHAIN_ID, ASSETS), 'Provenance', word), signature);
  if (word.contentHash !== contentHash || signer?.toLowerCase() !== agreement.meterKey.toLowerCase()) {
    throw new Error('The souvenir’s word of origin is not the meter key’s over this very file. It was not minted.');
  }
  await keep('content', contentHash, blob);
  const { creator, subscriptionId, uri } = word;
  return api('POST', '/assets', { creator, contentHash, subscriptionId, uri, provenance: signature });
}

/** One souvenir in the bag. @param {string} name @param {Blob} blob @param {{ assetId: string, txHash: string }} minted @param {string} owner */
export function shownSouvenir(name, blob, { assetId, txHash }, owner) {
  const file = URL.createObjectURL(blob);
  return element('li', {}, element('figure', {},
    element('img', { src: file, alt: `Your ${name}`, width: '256', height: '256' }),
    element('figcaption', {},
      element('b', {}, name),
      element('a', { href: `/assets?account=${owner}` }, `Asset ${assetId}`),
      element('a', { href: `/explorer/transactions/${txHash}` }, 'Minted on the chain'),
      element('a', { href: file, download: `souvenir-${assetId}.png` }, 'Take the file home'),
    ),
  ));
}
