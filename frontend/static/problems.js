// What went wrong, told as a sentence and a next step; and requests to this node's API.

export class Problem extends Error {
  constructor(message, next = "", code = "") {
    super(message);
    this.next = next;
    this.code = code;
  }
}

/** Any error as a Problem. Wallet errors carry numbers (EIP-1193); the network's say nothing that helps. */
export function explain(error) {
  if (error instanceof Problem) return error;
  const code = error?.code ?? error?.data?.originalError?.code;
  if (code === 4001 || code === "ACTION_REJECTED") {
    return new Problem("You declined to sign.", "Nothing was sent. Start again when you are ready.", "rejected");
  }
  if (code === 4900 || code === 4901) {
    return new Problem(
      "The wallet is not connected to the network.",
      "Open the wallet and connect it.",
      "disconnected",
    );
  }
  if (error instanceof TypeError && /fetch|network|load failed/i.test(error.message)) {
    return new Problem("The connection to this node was lost.", "Check that the node runs, then try again.", "offline");
  }
  return new Problem(error?.message ? `${error.message}` : "Something failed.", "Try again.", "unknown");
}

const session = { csrf: "" };

export function setCsrf(text) {
  session.csrf = text;
}

async function ask(path, options) {
  try {
    return await fetch(path, options);
  } catch {
    throw new Problem("The connection to this node was lost.", "Check that the node runs, then try again.", "offline");
  }
}

/** Whether the session has another token than this page knows: a page that was just loaded knows none. */
async function renewed() {
  const { csrf = "" } = await (await ask("/v1/session", { headers: { accept: "application/json" } }))
    .json()
    .catch(() => ({}));
  const other = Boolean(csrf) && csrf !== session.csrf;
  setCsrf(csrf);
  return other;
}

/** A request to the API; throws a Problem with the API's own words. */
export async function api(path, { method = "GET", json, body, type } = {}) {
  const headers = { accept: "application/json" };
  if (json !== undefined) headers["content-type"] = "application/json";
  else if (type) headers["content-type"] = type;
  const send = () => {
    if (method !== "GET" && session.csrf) headers["x-csrf-token"] = session.csrf;
    return ask(path, { method, headers, body: json === undefined ? body : JSON.stringify(json) });
  };
  let answer = await send();
  if (answer.status === 403 && method !== "GET" && (await renewed())) answer = await send();
  if (!answer.ok) {
    const told = await answer.json().catch(() => ({}));
    const fields = (told.errors ?? []).map((each) => `${each.field}: ${each.message}`).join("; ");
    throw new Problem(
      told.detail ?? `The node answered ${answer.status}.`,
      fields || told.next_step || "Try again.",
      told.code ?? "",
    );
  }
  return answer;
}

export async function apiJson(path, options) {
  return (await api(path, options)).json();
}

export async function apiBytes(path) {
  return new Uint8Array(await (await api(path)).arrayBuffer());
}
