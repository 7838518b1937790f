// What ethers 6 and viem make of a node's /v1/rpc, as others' programs would: reads, events, fees, and one transaction
// each. The question comes as JSON on stdin, so that no key is in an argument; the answers go to stdout as JSON.

import { Contract, formatUnits, JsonRpcProvider, Wallet } from "ethers";
import { createPublicClient, createWalletClient, defineChain, http, parseAbi } from "viem";
import { privateKeyToAccount } from "viem/accounts";

const ABI = [
  "function balanceOf(address) view returns (uint256)",
  "function decimals() view returns (uint8)",
  "function faucet(address to, uint256 amount)",
  "event Transfer(address indexed from, address indexed to, uint256 value)",
];

/** @param {any} asked */
async function byEthers({ url, chainId, token, key, amount }) {
  const provider = new JsonRpcProvider(url, undefined, { staticNetwork: false, pollingInterval: 100 });
  const wallet = new Wallet(key, provider);
  const contract = new Contract(token, ABI, wallet);
  const before = await contract.balanceOf(wallet.address);
  const sent = await contract.faucet(wallet.address, amount);
  const receipt = await sent.wait();
  const again = await provider.getTransaction(sent.hash);
  const block = await provider.getBlock(receipt.blockNumber, true);
  const logs = await contract.queryFilter(contract.filters.Transfer(null, wallet.address), receipt.blockNumber);
  const fees = await provider.getFeeData();
  const told = {
    chain: Number((await provider.getNetwork()).chainId) === chainId,
    digits: formatUnits(10n ** 6n, await contract.decimals()),
    grew: String((await contract.balanceOf(wallet.address)) - before),
    past: String((await contract.balanceOf(wallet.address, { blockTag: receipt.blockNumber - 1 })) - before),
    nonce: await provider.getTransactionCount(wallet.address),
    found: again?.hash === sent.hash && block?.hash === receipt.blockHash && block?.transactions.includes(sent.hash),
    logged: logs.map((each) => String(each.args.value)),
    fees: fees.maxFeePerGas !== null,
    code: (await provider.getCode(token)).length > 2,
    ether: (await provider.getBalance(wallet.address)) > 0n,
  };
  provider.destroy();
  return told;
}

/** @param {any} asked */
async function byViem({ url, chainId, token, key, amount }) {
  const chain = defineChain({
    id: chainId,
    name: "Darkroom",
    nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
    rpcUrls: { default: { http: [url] } },
  });
  const transport = http(url, { batch: true });
  const account = privateKeyToAccount(key);
  const reader = createPublicClient({ chain, transport, pollingInterval: 100 });
  const writer = createWalletClient({ chain, transport, account });
  const at = { address: token, abi: parseAbi(ABI) };
  const balance = (/** @type {any} */ more) =>
    reader.readContract({ ...at, functionName: "balanceOf", args: [account.address], ...more });
  const before = await balance({});
  const hash = await writer.writeContract({ ...at, functionName: "faucet", args: [account.address, BigInt(amount)] });
  const receipt = await reader.waitForTransactionReceipt({ hash });
  const logs = await reader.getContractEvents({
    ...at,
    eventName: "Transfer",
    args: { to: account.address },
    fromBlock: receipt.blockNumber,
    toBlock: "latest",
  });
  const block = await reader.getBlock({ blockHash: receipt.blockHash });
  const history = await reader.getFeeHistory({ blockCount: 3, rewardPercentiles: [50] });
  return {
    chain: (await reader.getChainId()) === chainId,
    digits: formatUnits(10n ** 6n, await reader.readContract({ ...at, functionName: "decimals" })),
    grew: String((await balance({})) - before),
    past: String((await balance({ blockNumber: receipt.blockNumber - 1n })) - before),
    nonce: await reader.getTransactionCount({ address: account.address }),
    found: (await reader.getTransaction({ hash })).blockHash === block.hash && block.transactions.includes(hash),
    logged: logs.map((each) => String(each.args.value)),
    fees: history.baseFeePerGas.length > 1 && (await reader.estimateFeesPerGas()).maxFeePerGas > 0n,
    code: ((await reader.getCode({ address: token })) ?? "").length > 2,
    ether: (await reader.getBalance({ address: account.address })) > 0n,
  };
}

let text = "";
for await (const piece of process.stdin) text += piece;
const asked = JSON.parse(text);
const answers = { ethers: await byEthers(asked), viem: await byViem(asked) };
process.stdout.write(JSON.stringify(answers));
