// @ts-check
// Signing in with the wallet (EIP-4361), only where the node must know who asks: publishing documents, tokens.

import { encoder, toHex } from "./bytes.js";
import { t } from "./language.js";
import { api, apiJson, Problem, setCsrf } from "./problems.js";
import { ready, request } from "./wallet.js";

/** @returns {Promise<SessionView>} */
export async function session() {
  const card = await apiJson("/v1/session");
  setCsrf(card.csrf);
  return card;
}

/**
 * A session of the connected account; signs a message when there is none.
 * @returns {Promise<SessionView>}
 */
export async function signIn() {
  const account = await ready();
  const held = await session();
  if (held.signed_in && held.address.toLowerCase() === account.toLowerCase()) return held;
  /** @type {SignInMessage} */
  const { message } = await apiJson("/v1/session/challenge", { method: "POST", json: { address: account } });
  const [domain] = message.split(" ");
  if (domain !== location.host || !message.includes(`\nURI: ${location.origin}/\n`)) {
    throw new Problem(t`This node asks to sign in to another site.`, t`Nothing was signed.`, "tampered");
  }
  const signature = await request("personal_sign", [`0x${toHex(encoder.encode(message))}`, account]);
  /** @type {SessionView} */
  const card = await apiJson("/v1/session", { method: "POST", json: { message, signature } });
  setCsrf(card.csrf);
  return card;
}

export async function signOut() {
  await session();
  await api("/v1/session", { method: "DELETE" });
  setCsrf("");
}
