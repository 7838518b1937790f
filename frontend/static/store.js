// This browser's own store: sealing keys and the demo wallet's key. Nothing in it is ever sent.

const NAME = "darkroom";
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

export const get = (store, key) => act(store, "readonly", (place) => place.get(key));
export const all = (store) => act(store, "readonly", (place) => place.getAll());
export const put = (store, value) => act(store, "readwrite", (place) => place.put(value));
export const remove = (store, key) => act(store, "readwrite", (place) => place.delete(key));
