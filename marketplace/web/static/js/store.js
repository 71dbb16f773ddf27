// This browser's own memory (IndexedDB): session keys (sealed), request documents, usage records, made things,
// passes given to others.

const NAME = 'slicing4meta';
const VERSION = 2;
const STORES = ['keys', 'seal', 'requests', 'records', 'content', 'passes'];

/** @returns {Promise<IDBDatabase>} */
function open() {
  return new Promise((resolve, reject) => {
    const asked = indexedDB.open(NAME, VERSION);
    asked.onupgradeneeded = () => {
      const known = asked.result.objectStoreNames;
      for (const name of STORES) if (!known.contains(name)) asked.result.createObjectStore(name);
    };
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
}

/**
 * @param {'readonly' | 'readwrite'} mode
 * @param {string} store
 * @param {(objects: IDBObjectStore) => IDBRequest} work
 */
async function within(mode, store, work) {
  const database = await open();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction(store, mode, { durability: 'strict' });
      const asked = work(transaction.objectStore(store));
      transaction.oncomplete = () => resolve(asked.result);
      transaction.onabort = () => reject(transaction.error);
    });
  } finally {
    database.close();
  }
}

/** @param {string} store @param {string} key */
export const recall = (store, key) => within('readonly', store, (objects) => objects.get(key));

/** All values whose key begins so, in the keys' order. @param {string} store @param {string} prefix */
export const recallAll = (store, prefix) =>
  within('readonly', store, (objects) => objects.getAll(IDBKeyRange.bound(prefix, `${prefix}\uffff`)));

/** Resolves once it is on the disk. @param {string} store @param {string} key @param {unknown} value */
export const keep = (store, key, value) => within('readwrite', store, (objects) => objects.put(value, key));
