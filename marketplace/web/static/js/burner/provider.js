// The burner as an EIP-1193 and EIP-5792 provider: asks its owner in a dialog first, sends through /api/v1/node.
import { hexToBytes } from '../../vendor/viem.js';
import { Node, hex } from '../proof/node.js';
import { hashes } from '../proof/typed_data.js';
import { confirmed } from './dialog.js';
import { address, create, unsealed } from './keeper.js';

const REFUSED = 4001;
const UNKNOWN_CHAIN = 4902;
const [DONE, REVERTED] = [200, 500]; // EIP-5792

const node = new Node('/api/v1/node');

const METHODS = {
  eth_accounts: accounts,
  eth_requestAccounts: requestAccounts,
  eth_sendTransaction: ([transaction]) => send(transaction),
  eth_signTypedData_v4: ([, text]) => signTypedData(JSON.parse(text)),
  personal_sign: ([message]) => signMessage(message),
  wallet_getCallsStatus: ([id]) => callsStatus(id),
  wallet_getCapabilities: capabilities,
  wallet_sendCalls: ([batch]) => sendCalls(batch),
  wallet_switchEthereumChain: ([{ chainId }]) => switchChain(chainId),
};

/** EIP-1193; what it does not know is asked of the node. */
export function request({ method, params = [] }) {
  const own = METHODS[method];
  return own ? own(params) : node.request(method, params);
}

async function accounts() {
  const own = await address();
  return own ? [own] : [];
}

async function requestAccounts() {
  if (!(await address())) {
    await permitted('Make a burner wallet?', { What: 'A key for this devnet, kept in this browser and nowhere else.', Worth: 'Nothing. It cannot be exported, and clearing the browser’s data burns it.' });
  }
  return [await create()];
}

async function signTypedData(document) {
  const { domain, primaryType, message } = document;
  await permitted(`Sign this ${primaryType}?`, { For: `${domain.name}, chain ${domain.chainId}`, ...message });
  return (await unsealed()).sign({ hash: hashes(document).digest });
}

async function signMessage(message) {
  const words = message.startsWith('0x') ? new TextDecoder().decode(hexToBytes(message)) : message;
  await permitted('Sign this message?', { Message: words });
  return (await unsealed()).signMessage({ message: message.startsWith('0x') ? { raw: message } : message });
}

async function send({ to, data = '0x', value = '0x0' }) {
  await permitted('Send this transaction?', { To: to, Value: `${BigInt(value)} wei`, Data: data });
  return submit({ to, data, value });
}

/** @type {Map<string, { status: number, receipts: any[] }>} batches of this page, as EIP-5792 tells of them */
const batches = new Map();

async function capabilities() {
  return { [await node.request('eth_chainId')]: { atomic: { status: 'unsupported' } } };
}

async function callsStatus(id) {
  return { version: '2.0.0', id, atomic: false, ...batches.get(id) };
}

// One question for all calls, which are then sent one after the other; the first that fails ends it.
async function sendCalls({ calls }) {
  const facts = calls.map(({ to, data }, index) => [`Call ${index + 1}`, `${to}: ${data}`]);
  await permitted(`Send these ${calls.length} transactions?`, Object.fromEntries(facts));
  const receipts = [];
  for (const call of calls) receipts.push(await mined(await submit(call)));
  const id = receipts.at(-1).transactionHash;
  batches.set(id, { status: receipts.every(({ status }) => status === '0x1') ? DONE : REVERTED, receipts });
  return { id };
}

async function mined(hash) {
  for (;;) {
    const receipt = await node.request('eth_getTransactionReceipt', [hash]);
    if (receipt) return receipt;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function submit({ to, data = '0x', value = '0x0' }) {
  const account = await unsealed();
  const [nonce, gas, block, tip, chainId] = await Promise.all([
    node.request('eth_getTransactionCount', [account.address, 'pending']),
    node.request('eth_estimateGas', [{ from: account.address, to, data, value }]),
    node.request('eth_getBlockByNumber', ['latest', false]),
    node.request('eth_maxPriorityFeePerGas'),
    node.request('eth_chainId'),
  ]);
  const signed = await account.signTransaction({
    type: 'eip1559',
    chainId: Number(chainId),
    nonce: Number(nonce),
    gas: (BigInt(gas) * 5n) / 4n,
    maxFeePerGas: 2n * BigInt(block.baseFeePerGas) + BigInt(tip),
    maxPriorityFeePerGas: BigInt(tip),
    to,
    data,
    value: BigInt(value),
  });
  return node.request('eth_sendRawTransaction', [signed]);
}

async function switchChain(chainId) {
  const own = await node.request('eth_chainId');
  if (BigInt(chainId) !== BigInt(own)) throw failed(UNKNOWN_CHAIN, `The burner wallet lives on chain ${hex(BigInt(own))} alone.`);
  return null;
}

async function permitted(question, facts) {
  if (!(await confirmed(question, facts))) throw failed(REFUSED, 'User rejected the request.');
}

const failed = (number, words) => Object.assign(new Error(words), { code: number });
