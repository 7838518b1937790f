// A wallet (EIP-1193, EIP-6963) and the JSON-RPC methods that the pages use. Quantities are 0x-prefixed hexadecimal.

interface Rpc {
  eth_accounts: { params: []; result: string[] };
  eth_chainId: { params: []; result: string };
  eth_estimateGas: { params: [{ from: string; to: string; data: string }]; result: string };
  eth_gasPrice: { params: []; result: string };
  eth_getBalance: { params: [address: string, block: string]; result: string };
  eth_getTransactionCount: { params: [address: string, block: string]; result: string };
  eth_getTransactionReceipt: { params: [hash: string]; result: TransactionReceipt | null };
  eth_requestAccounts: { params: []; result: string[] };
  eth_sendRawTransaction: { params: [transaction: string]; result: string };
  eth_sendTransaction: { params: [TransactionRequest]; result: string };
  eth_signTypedData_v4: { params: [address: string, typed: string | TypedData]; result: string };
  personal_sign: { params: [message: string, address: string]; result: string };
  wallet_addEthereumChain: {
    params: [
      {
        chainId: string;
        chainName: string;
        rpcUrls: string[];
        nativeCurrency: { name: string; symbol: string; decimals: number };
      },
    ];
    result: null;
  };
  wallet_switchEthereumChain: { params: [{ chainId: string }]; result: null };
}

interface Eip1193Provider {
  request<M extends keyof Rpc>(call: { method: M; params?: Rpc[M]["params"] }): Promise<Rpc[M]["result"]>;
  on?(event: "accountsChanged", listener: (accounts: string[]) => void): void;
  on?(event: "chainChanged", listener: () => void): void;
}

/** A wallet to choose from. `provider` is null until its module is loaded. */
interface Wallet {
  id: string;
  name: string;
  icon: string;
  provider: Eip1193Provider | null;
}

/** The detail of `eip6963:announceProvider`: any script or extension may send one, so nothing in it is sure. */
interface Eip6963Detail {
  info?: { uuid?: unknown; rdns?: unknown; name?: unknown; icon?: unknown };
  provider?: Eip1193Provider;
}

interface TransactionRequest {
  from: string;
  to: string;
  data: string;
  value?: string;
  chainId?: string;
  nonce?: string;
  gas?: string;
  maxFeePerGas?: string;
  maxPriorityFeePerGas?: string;
}

interface Log {
  address: string;
  topics: string[];
  data: string;
}

interface TransactionReceipt {
  transactionHash: string;
  blockNumber: string;
  blockHash: string;
  status: string;
  logs: Log[];
}

/** Fields of EIP-712 structs by their names. */
type StructTypes = Record<string, { name: string; type: string }[]>;

/** A struct's values by field: a decimal or hexadecimal number, text, or another struct. */
type StructValue = { [field: string]: string | number | boolean | StructValue };

interface TypedData {
  types: StructTypes;
  primaryType: string;
  domain: StructValue;
  message: StructValue;
}
