// Wallets: those that announce themselves (EIP-6963), the old injected one (EIP-1193), and the demo wallet.
// One is chosen at a time; the choice is remembered, the connection never assumed.

import { chainHex, config } from "./config.js";
import { Problem, explain } from "./problems.js";

const CHOICE = "darkroom.wallet";
const DEMO = "demo.darkroom";
const announced = new Map();
const listeners = new Set();
let chosen = null; // {id, name, provider}
let address = "";

window.addEventListener("eip6963:announceProvider", (event) => {
  const { info, provider } = event.detail ?? {};
  if (!info || !provider || announced.has(info.rdns ?? info.uuid)) return;
  const id = String(info.rdns ?? info.uuid);
  const picture = /^data:image\//.test(info.icon ?? "") ? info.icon : "";
  announced.set(id, { id, name: String(info.name).slice(0, 60), icon: picture, provider });
  tell();
});

export function onChange(listener) {
  listeners.add(listener);
  listener();
}

function tell() {
  for (const listener of listeners) listener();
}

/** Wallets to choose from. */
export function wallets() {
  const found = [...announced.values()];
  if (window.ethereum && !found.length)
    found.push({ id: "injected", name: "Browser wallet", icon: "", provider: window.ethereum });
  if (config.demo) found.push({ id: DEMO, name: "Demo wallet", icon: "", provider: null });
  return found;
}

export const account = () => address;
export const walletName = () => chosen?.name ?? "";
export const isDemo = () => chosen?.id === DEMO;

async function open(id) {
  const found = wallets().find((wallet) => wallet.id === id);
  if (!found) throw new Problem("That wallet is not in this browser any more.", "Choose another one.", "no-wallet");
  if (found.provider) return found;
  const demo = await import("./demo-wallet.js");
  return { ...found, provider: demo.provider };
}

/** Ask a wallet for its account. */
export async function connect(id) {
  const wallet = await open(id);
  try {
    const accounts = await wallet.provider.request({ method: "eth_requestAccounts" });
    if (!accounts?.length) throw new Problem("The wallet named no account.", "Unlock it and try again.", "locked");
    use(wallet, accounts[0]);
    localStorage.setItem(CHOICE, id);
  } catch (error) {
    throw explain(error);
  }
}

function use(wallet, first) {
  chosen = wallet;
  address = first;
  wallet.provider.on?.("accountsChanged", (accounts) => {
    if (chosen?.id !== wallet.id) return;
    address = accounts[0] ?? "";
    if (!address) chosen = null;
    tell();
  });
  wallet.provider.on?.("chainChanged", tell);
  tell();
}

export function disconnect() {
  chosen = null;
  address = "";
  localStorage.removeItem(CHOICE);
  tell();
}

/** Take up the wallet that was chosen before, if it still answers without asking anybody. */
export async function resume() {
  window.dispatchEvent(new Event("eip6963:requestProvider"));
  const id = localStorage.getItem(CHOICE);
  if (!id || chosen) return;
  try {
    const wallet = await open(id);
    const accounts = await wallet.provider.request({ method: "eth_accounts" });
    if (accounts?.length) use(wallet, accounts[0]);
  } catch {
    /* it can be connected again by hand */
  }
}

/** The chain that the wallet is on, as 0x text. */
export async function walletChain() {
  return chosen.provider.request({ method: "eth_chainId" });
}

/** The connected account on this market's chain; asks the wallet to switch when it is on another one. */
export async function ready(wanted = "") {
  await resumed;
  if (!chosen) throw new Problem("No wallet is connected.", "Connect one on the wallet page.", "no-wallet");
  if (wanted && wanted.toLowerCase() !== address.toLowerCase()) {
    throw new Problem(
      `This needs the account ${wanted.slice(0, 8)}…${wanted.slice(-4)}, and the wallet is on ${address.slice(0, 8)}…${address.slice(-4)}.`,
      "Switch the account in the wallet.",
      "wrong-account",
    );
  }
  if ((await walletChain()) !== chainHex) {
    try {
      await chosen.provider.request({ method: "wallet_switchEthereumChain", params: [{ chainId: chainHex }] });
    } catch {
      /* told below, also when it only says that it did */
    }
    if ((await walletChain()) !== chainHex) {
      throw new Problem(
        `The wallet is on another network; this market is on chain ${config.chainId}.`,
        "Switch the network in the wallet, then try again.",
        "wrong-network",
      );
    }
  }
  return address;
}

/** A request to the connected wallet; errors come as Problems. */
export async function request(method, params) {
  try {
    return await chosen.provider.request({ method, params });
  } catch (error) {
    throw explain(error);
  }
}

/** Read the chain: through the wallet where it is on the right one, else through this node's relay. */
export async function read(method, params) {
  await resumed;
  if (chosen && !isDemo()) {
    try {
      if ((await walletChain()) === chainHex) return { answer: await request(method, params), source: "your wallet" };
    } catch {
      /* the relay below */
    }
  }
  const { relay } = await import("./relay.js");
  return { answer: await relay(method, params), source: "this node" };
}

export const resumed = resume();
