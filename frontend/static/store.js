// @ts-check
// This browser's own store: sealing keys, the demo wallet's key, words of questions. Nothing in it is ever sent.

const NAME = "darkroom";

/** @type {Promise<IDBDatabase> | null} */
let opened = null;

function open() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("sealing-keys", { keyPath: "public" });
      request.result.createObjectStore("demo-wallet", { keyPath: "name" });
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return opened;
}

/**
 * One request in a transaction of its own; resolves when that is complete.
 * @template T
 * @param {keyof Records} store
 * @param {IDBTransactionMode} mode
 * @param {(records: IDBObjectStore) => IDBRequest<T>} work
 * @returns {Promise<T>}
 */
async function act(store, mode, work) {
  const database = await open();
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(store, mode);
    const request = work(transaction.objectStore(store));
    transaction.oncomplete = () => resolve(request.result);
    transaction.onerror = () => reject(transaction.error);
    transaction.onabort = () => reject(transaction.error);
  });
}

/**
 * @template {keyof Records} S
 * @param {S} store
 * @param {string} key
 * @returns {Promise<Records[S] | undefined>}
 */
export const get = (store, key) => act(store, "readonly", (records) => records.get(key));

/**
 * @template {keyof Records} S
 * @param {S} store
 * @returns {Promise<Records[S][]>}
 */
export const all = (store) => act(store, "readonly", (records) => records.getAll());

/**
 * @template {keyof Records} S
 * @param {S} store
 * @param {Records[S]} value
 */
export const put = (store, value) => act(store, "readwrite", (records) => records.put(value));

/**
 * @param {keyof Records} store
 * @param {string} key
 */
export const remove = (store, key) => act(store, "readwrite", (records) => records.delete(key));

/**
 * Keep what this visitor said of a circuit: the words of a question, the card of a model; or that a result was opened.
 * @param {"question" | "card" | "opened"} what
 * @param {string} circuit or "any"
 * @param {string} text
 */
export function keep(what, circuit, text) {
  try {
    localStorage.setItem(`darkroom.${what}.${circuit}`, text);
  } catch {
    /* then it is asked for when the result is opened again */
  }
}

/** @param {"question" | "card" | "opened"} what @param {string} circuit */
export function recall(what, circuit) {
  try {
    return localStorage.getItem(`darkroom.${what}.${circuit}`) ?? "";
  } catch {
    return "";
  }
}
