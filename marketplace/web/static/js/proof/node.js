// Reads of an Ethereum node by JSON-RPC: any node that the reader names, or the marketplace's own through /api/v1/node.
import { decodeEventLog, decodeFunctionData, decodeFunctionResult, encodeFunctionData } from '../../vendor/viem.js';

const SPAN = 2000; // blocks asked for at once where a node refuses the whole range
const TIMEOUT_MS = 20_000;

export class NodeFailed extends Error {}

export class Node {
  constructor(url) {
    this.url = url;
    this.asked = 0;
  }

  /** One JSON-RPC request; throws NodeFailed with what the node said, or why it did not answer. */
  async request(method, params = []) {
    this.asked += 1;
    const body = JSON.stringify({ jsonrpc: '2.0', id: this.asked, method, params });
    const answer = await this.#post(body);
    if (answer.error) throw new NodeFailed(`${method}: ${answer.error.message}`);
    return answer.result;
  }

  /** What a view answers at a block. */
  async read(abi, address, functionName, args, block) {
    const data = encodeFunctionData({ abi, functionName, args });
    const result = await this.request('eth_call', [{ to: address, data }, block]);
    return decodeFunctionResult({ abi, functionName, data: result });
  }

  /** A contract's decoded events with these topics in blocks first..last, in chain order. */
  async events(abi, address, topics, first, last) {
    const found = [];
    for (const log of await this.#logs({ address, topics }, first, last)) {
      const event = decoded(abi, log);
      if (event) found.push({ ...event, block: Number(log.blockNumber), transaction: log.transactionHash });
    }
    return found;
  }

  /** The call {functionName, args} that a transaction made of `address`; null where it called something else. */
  async callIn(hash, abi, address) {
    const transaction = await this.request('eth_getTransactionByHash', [hash]);
    if (transaction?.to?.toLowerCase() !== address.toLowerCase()) return null;
    try {
      return decodeFunctionData({ abi, data: transaction.input });
    } catch {
      return null;
    }
  }

  async #logs(filter, first, last) {
    const range = (from, to) => [{ ...filter, fromBlock: hex(from), toBlock: hex(to) }];
    try {
      return await this.request('eth_getLogs', range(first, last));
    } catch (error) {
      if (last - first < SPAN) throw error;
    }
    const found = [];
    for (let start = first; start <= last; start += SPAN) {
      found.push(...(await this.request('eth_getLogs', range(start, Math.min(last, start + SPAN - 1)))));
    }
    return found;
  }

  async #post(body) {
    try {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const headers = { 'Content-Type': 'application/json' };
      const response = await fetch(this.url, { method: 'POST', headers, body, signal });
      const answer = await response.json();
      return response.ok ? answer : { error: { message: answer.detail ?? `status ${response.status}` } };
    } catch (error) {
      throw new NodeFailed(`${this.url} does not answer (${error.message}). Check the address, and that it lets browsers ask.`);
    }
  }
}

export const hex = (number) => `0x${number.toString(16)}`;

function decoded(abi, log) {
  try {
    const { eventName, args } = decodeEventLog({ abi, data: log.data, topics: log.topics });
    return { name: eventName, ...args };
  } catch {
    return null; // an event that the proof does not need
  }
}
