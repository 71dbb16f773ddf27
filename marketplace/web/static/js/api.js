// The marketplace's own API from a page of its origin; a problem document becomes a Problem that says what to do.

export class Problem extends Error {
  /** @param {{ code?: string, title?: string, detail?: string, remedy?: string }} document @param {number} status */
  constructor(document, status) {
    super([document.title && `${document.title}:`, document.detail, document.remedy].filter(Boolean).join(' '));
    this.code = document.code ?? 'unknown';
    this.status = status;
    this.document = document;
  }
}

/**
 * @param {string} method
 * @param {string} path below /api/v1
 * @param {unknown} [body] sent as JSON
 */
export async function api(method, path, body) {
  const sent = body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
  return answered(await reach(`/api/v1${path}`, { method, ...sent }));
}

/** @param {string} path @param {Uint8Array<ArrayBuffer>} bytes */
export async function putBytes(path, bytes) {
  return answered(await reach(`/api/v1${path}`, { method: 'PUT', body: bytes }));
}

/** @param {string} url @param {RequestInit} options */
async function reach(url, options) {
  try {
    return await fetch(url, options);
  } catch {
    throw new Problem({ code: 'no_connection', title: 'The marketplace does not answer', remedy: 'Look whether it runs, then try again.' }, 0);
  }
}

/** @param {Response} response */
async function answered(response) {
  const text = await response.text();
  const body = text ? JSON.parse(text) : null;
  if (!response.ok) throw new Problem(body ?? {}, response.status);
  return body;
}
