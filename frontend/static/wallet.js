// @ts-check
// Wallets: those that announce themselves (EIP-6963), the old injected one (EIP-1193), and the demo wallet.
// One is chosen at a time; the choice is remembered, the connection never assumed.

import { chainHex, config } from "./config.js";
import { t } from "./language.js";
import { Problem, toProblem } from "./problems.js";

/** @typedef {Wallet & { provider: Eip1193Provider }} OpenWallet */

const CHOICE = "darkroom.wallet";
const DEMO = "demo.darkroom";
const UNKNOWN_CHAIN = 4902; // EIP-3085
const SHARED = [CHOICE, "darkroom.demo-account"]; // what says which account all tabs of this browser show
/** @type {Map<string, Wallet>} */
const announced = new Map();
/** @type {Set<() => unknown>} */
const listeners = new Set();
/** @type {Set<string>} */
const heard = new Set(); // wallets that tell this page of their changes
/** @type {OpenWallet | null} */
let chosen = null;
let address = "";

window.addEventListener("eip6963:announceProvider", (event) => {
  const { info, provider } = event.detail ?? {};
  if (!info || !provider) return;
  const id = String(info.rdns ?? info.uuid);
  if (announced.has(id)) return;
  const picture = String(info.icon ?? "");
  const icon = picture.startsWith("data:image/") ? picture : "";
  announced.set(id, { id, name: String(info.name).slice(0, 60), icon, provider });
  notify();
});

/**
 * Call `listener` now, and whenever wallet, account or chain may have changed.
 * @param {() => unknown} listener
 */
export function onChange(listener) {
  listeners.add(listener);
  listener();
}

function notify() {
  for (const listener of listeners) listener();
}

/** Wallets to choose from. */
export function wallets() {
  const found = [...announced.values()];
  if (window.ethereum && found.length === 0) {
    found.push({ id: "injected", name: t`Browser wallet`, icon: "", provider: window.ethereum });
  }
  if (config.demo) found.push({ id: DEMO, name: t`Demo wallet`, icon: "", provider: null });
  return found;
}

export const account = () => address;
export const walletName = () => chosen?.name ?? "";
export const isDemo = () => chosen?.id === DEMO;

/** The chosen wallet; throws a Problem where there is none. */
function current() {
  if (chosen) return chosen;
  throw new Problem(t`No wallet is connected.`, t`Connect one on the wallet page.`, "no-wallet");
}

/**
 * @param {string} id
 * @returns {Promise<OpenWallet>}
 */
async function open(id) {
  const found = wallets().find((wallet) => wallet.id === id);
  if (!found) throw new Problem(t`That wallet is not in this browser any more.`, t`Choose another one.`, "no-wallet");
  return { ...found, provider: found.provider ?? (await import("./demo-wallet.js")).provider };
}

/**
 * Ask a wallet for its account.
 * @param {string} id
 */
export async function connect(id) {
  const wallet = await open(id);
  try {
    const [first] = (await wallet.provider.request({ method: "eth_requestAccounts" })) ?? [];
    if (!first) throw new Problem(t`The wallet named no account.`, t`Unlock it and try again.`, "locked");
    use(wallet, first);
    localStorage.setItem(CHOICE, id);
  } catch (error) {
    throw toProblem(error);
  }
}

/**
 * @param {OpenWallet} wallet
 * @param {string} first its account
 */
function use(wallet, first) {
  chosen = wallet;
  address = first;
  if (!heard.has(wallet.id)) {
    heard.add(wallet.id);
    wallet.provider.on?.("accountsChanged", (accounts) => {
      if (chosen?.id !== wallet.id) return;
      address = accounts[0] ?? "";
      if (!address) chosen = null;
      notify();
    });
    wallet.provider.on?.("chainChanged", notify);
  }
  notify();
}

// Another tab connected, disconnected or chose another account.
window.addEventListener("storage", ({ key }) => {
  if (key !== null && !SHARED.includes(key)) return;
  chosen = null;
  address = "";
  resumed = resume().then(notify);
});

export function disconnect() {
  chosen = null;
  address = "";
  localStorage.removeItem(CHOICE);
  notify();
}

/** Take up the wallet that was chosen before, if it still answers without asking anybody. */
async function resume() {
  window.dispatchEvent(new Event("eip6963:requestProvider"));
  const id = localStorage.getItem(CHOICE);
  if (!id || chosen) return;
  try {
    const wallet = await open(id);
    const [first] = (await wallet.provider.request({ method: "eth_accounts" })) ?? [];
    if (first) use(wallet, first);
  } catch {
    /* it can be connected again by hand */
  }
}

/** The chain that the wallet is on, as 0x text. */
export async function walletChain() {
  return current().provider.request({ method: "eth_chainId" });
}

/** @param {string} text an address */
const short = (text) => `${text.slice(0, 8)}…${text.slice(-4)}`;

/** Ask the wallet to go to this market's chain; to one that does not know it this node is named as its endpoint. */
export async function switchNetwork() {
  const { provider } = current();
  const switching = () => provider.request({ method: "wallet_switchEthereumChain", params: [{ chainId: chainHex }] });
  try {
    await switching().catch(async (error) => {
      if (error?.code !== UNKNOWN_CHAIN || !config.relay) throw error;
      await provider.request({ method: "wallet_addEthereumChain", params: [description()] });
      await switching();
    });
  } catch {
    /* told below, also when it only says that it did */
  }
  if ((await walletChain()) === chainHex) return;
  const message = t`The wallet is on another network; this market is on chain ${config.chainId}.`;
  throw new Problem(message, t`Switch the network in the wallet, then try again.`, "wrong-network");
}

/** This market's chain, for a wallet that does not know it (EIP-3085). */
const description = () => ({
  chainId: chainHex,
  chainName: `Darkroom ${config.chainId}`,
  rpcUrls: [`${location.origin}/v1/rpc`],
  nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
});

/**
 * The connected account on this market's chain; asks the wallet to switch when it is on another one.
 * @param {string} [wanted] the account that it has to be, if any
 */
export async function ready(wanted = "") {
  await resumed;
  current();
  if (wanted && wanted.toLowerCase() !== address.toLowerCase()) {
    const message = t`This needs the account ${short(wanted)}, and the wallet is on ${short(address)}.`;
    throw new Problem(message, t`Switch the account in the wallet.`, "wrong-account");
  }
  if ((await walletChain()) !== chainHex) await switchNetwork();
  return address;
}

/**
 * A request to the connected wallet; errors come as Problems.
 * @template {keyof Rpc} M
 * @param {M} method
 * @param {Rpc[M]["params"]} params
 */
export async function request(method, params) {
  try {
    return await current().provider.request({ method, params });
  } catch (error) {
    throw toProblem(error);
  }
}

/**
 * Read the chain: through the wallet where it is on the right one, else through this node's relay.
 * @template {keyof Rpc} M
 * @param {M} method
 * @param {Rpc[M]["params"]} params
 * @returns {Promise<{ answer: Rpc[M]["result"], source: string }>}
 */
export async function read(method, params) {
  await resumed;
  if (chosen && !isDemo()) {
    try {
      if ((await walletChain()) === chainHex) return { answer: await request(method, params), source: t`your wallet` };
    } catch {
      /* the relay below */
    }
  }
  const { relay } = await import("./relay.js");
  return { answer: await relay(method, params), source: t`this node` };
}

/** Settles when the wallet that was chosen before has been taken up, or not. */
export let resumed = resume();
