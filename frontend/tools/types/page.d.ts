// What the browser has besides its standard types, and what modules of the pages hand each other.

interface Window {
  ethereum?: Eip1193Provider;
  trustedTypes?: { createPolicy(name: string, rules: { createHTML(text: string): string }): unknown };
}

interface WindowEventMap {
  "eip6963:announceProvider": CustomEvent<Eip6963Detail | undefined>;
}

interface HTMLElementEventMap {
  "htmx:afterRequest": CustomEvent<{ successful: boolean }>;
  "htmx:afterSettle": CustomEvent;
  "htmx:afterSwap": CustomEvent;
  "htmx:beforeSwap": CustomEvent<{ shouldSwap: boolean }>;
  "htmx:configRequest": CustomEvent<{ formData: FormData }>;
}

/** Bytes that are the browser's own to keep: never shared between threads. */
type Bytes = Uint8Array<ArrayBuffer>;

/** The tone of a notice or a state. */
type Tone = "calm" | "good" | "wait" | "bad";

/** What `h` puts into an element; null is left out. */
type Child = Node | string | null | undefined;

/** Attributes of an element: a function listens to the event of that name, true is an empty attribute. */
type Attributes = Record<string, string | number | boolean | null | undefined | ((event: Event) => unknown)>;

/** Closes a dialog with an answer, or with null for none. */
type Done<T> = (answer: T | null) => void;

/** A sealing key in this browser. */
interface SealingKey {
  public: string;
  privateKey: CryptoKey;
  made: number;
}

/** An account of the demo wallet as it is stored. */
interface DemoAccount {
  name: string;
  key: Bytes;
  label?: string;
  made?: number;
}

/** The records of this browser's store, by the store's name. */
interface Records {
  "sealing-keys": SealingKey;
  "demo-wallet": DemoAccount;
}

/** One output of a result, or the keys of its rows, to show and to save. */
interface Column {
  name: string;
  values: (bigint | string)[];
}

/** An opened result: `values[output][row]`, and each row's key where the owner sells keys. */
interface OpenedResult {
  header: ResultHeader;
  values: BigInt64Array[];
  keys?: string[] | null;
}

/** A contract by its name, and the call data it is to be sent. */
type Call = [contract: string, data: string];

/** One number of an answer, and the ends between which the truth lies with 95 %; null where noise leaves nothing. */
interface Figure {
  value: number | null;
  low: number | null;
  high: number | null;
}
