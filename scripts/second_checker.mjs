// A second checker of money and proofs, on viem alone. It shares no code with the Python audit, not even an ABI file.
//
//   node scripts/second_checker.mjs RPC_URL MARKET LOG.jsonl [LOG.jsonl …]
//
// Reads the market's events and views from the node, the records and vouchers from the log files; asks nobody else.
// Prints one JSON document: {"money": [finding …], "logs": {file: [finding …]}}, a finding is {"code", "detail"}.
// Exit code 0 whatever it finds; 2 where node or file cannot be read. Terms documents, assets, identities and tables
// are not its concern: units are checked as sums and roots, not against the plan's terms.
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { createPublicClient, decodeFunctionData, getAddress, http, parseAbi, recoverTypedDataAddress } from "viem"

const MARKET_ABI = parseAbi([
  "event Deposited(address indexed account, address indexed payer, uint256 amount)",
  "event Withdrawn(address indexed account, uint256 amount)",
  "event Subscribed(uint96 indexed subscriptionId, address indexed buyer, address signer, uint40 cap, uint32 periods, uint256 reserved, uint64 deadline, bytes32 requirementsHash)",
  "event Activated(uint96 indexed subscriptionId, bytes32 endpointHash, uint32 since, uint32 paidThrough)",
  "event Refunded(uint96 indexed subscriptionId, address indexed buyer, uint256 amount)",
  "event CapRaised(uint96 indexed subscriptionId, address indexed payer, uint40 cap, uint256 amount)",
  "event Renewed(uint96 indexed subscriptionId, address indexed payer, uint32 periods, uint32 paidThrough, uint256 amount)",
  "event SignerConfirmed(uint96 indexed subscriptionId, address signer)",
  "event ReleaseRequested(uint96 indexed subscriptionId, uint256 timePaid, uint256 timeRefunded, uint64 releasableAt)",
  "event Released(uint96 indexed subscriptionId, address indexed buyer, uint256 refunded)",
  "event Settled(uint96 indexed subscriptionId, uint40 units, uint256 amount, bytes32 usageRoot)",
  "event TimeCollected(uint96 indexed subscriptionId, uint256 amount, uint32 through)",
  "event PaidOut(uint64 indexed planId, address indexed to, uint256 amount)",
  "event SharePaidOut(uint64 indexed planId, uint32 indexed modelId, address indexed to, uint256 amount)",
  "struct Voucher { uint96 subscriptionId; uint40 units; bytes32 usageRoot; bytes32 r; bytes32 vs; }",
  "function settle(Voucher[] vouchers)",
  "function token() view returns (address)",
  "function catalog() view returns (address)",
  "function accountOf(address account) view returns (uint128 balance, uint64 nonce)",
  "function earningsOf(uint64 planId) view returns (uint96 earned, uint96 paid)",
])
const CATALOG_ABI = parseAbi([
  "struct PlanTerms { uint64 unitPrice; uint96 periodPrice; uint32 period; uint32 releaseWindow; uint32 activationWindow; uint32 qoeFloor; bytes32 termsHash; }",
  "struct Share { uint32 modelId; uint16 bps; }",
  "event PlanPublished(uint64 indexed planId, PlanTerms terms, Share[] shares)",
  "event MeterKeySet(uint32 indexed modelId, address meterKey)",
])
const TOKEN_ABI = parseAbi([
  "event Transfer(address indexed from, address indexed to, uint256 value)",
  "function balanceOf(address account) view returns (uint256)",
])
const VOUCHER = {
  Voucher: [
    { name: "subscriptionId", type: "uint96" },
    { name: "units", type: "uint40" },
    { name: "usageRoot", type: "bytes32" },
  ],
}
const WHOLE_BPS = 10_000n

// ------------------------------------------------------------------------------------------------------------ proofs

const sha256 = (...parts) => createHash("sha256").update(Buffer.concat(parts)).digest()
const whole = (value, bytes) => {
  const text = BigInt(value).toString(16).padStart(2 * bytes, "0")
  if (text.length > 2 * bytes) throw new Error(`${value} has more than ${bytes} bytes`)
  return Buffer.from(text, "hex")
}
const raw = (hex) => Buffer.from(hex.replace(/^0x/, ""), "hex")

function leafOf(r) {
  return sha256(
    Buffer.from([0]), whole(r.subscriptionId, 12), whole(r.seq, 8), whole(r.meter, 4), whole(r.quantity, 8),
    whole(r.units, 8), whole(r.total, 8), whole(r.startMillis, 8), whole(r.endMillis, 8), whole(r.immersion, 4),
    raw(r.requestHash),
  )
}

/** RFC 6962, 2.1: the largest power of two below n splits the leaves. */
function rootOf(leaves) {
  if (leaves.length === 0) return sha256()
  if (leaves.length === 1) return leaves[0]
  let split = 1
  while (split * 2 < leaves.length) split *= 2
  return sha256(Buffer.from([1]), rootOf(leaves.slice(0, split)), rootOf(leaves.slice(split)))
}

const usageRootOf = (leaves) =>
  "0x" + sha256(Buffer.from([2]), whole(leaves.length, 8), rootOf(leaves)).toString("hex")

// -------------------------------------------------------------------------------------------------------------- logs

/** Subscription → {records, voucher}: records belong to the header above them, without one to their own subscription. */
function readLog(path) {
  const logs = new Map()
  const of = (id) => logs.get(id) ?? logs.set(id, { records: [], voucher: null }).get(id)
  let current = null
  for (const text of readFileSync(path, "utf8").split("\n").filter((line) => line.trim())) {
    const line = JSON.parse(text)
    if (line.record) {
      (current ?? of(String(line.record.subscriptionId))).records.push(line)
      continue
    }
    const log = of(String(line.subscriptionId))
    const voucher = line.voucher ?? (line.usageRoot ? line : null)
    if (voucher) log.voucher = voucher
    if (line.schema === "s4m/log/1") current = log
  }
  return logs
}

function* checkRecords(id, log) {
  let total = 0n
  for (const [index, line] of log.records.entries()) {
    const r = line.record
    total += BigInt(r.units)
    if (String(r.subscriptionId) !== id) yield ["foreign_record", `${id}: record ${index} is of ${r.subscriptionId}`]
    if (line.leafHash && "0x" + leafOf(r).toString("hex") !== line.leafHash)
      yield ["leaf_differs", `${id}: record ${index} has another hash than is written beside it`]
    if (BigInt(r.seq) !== BigInt(index)) yield ["sequence_broken", `${id}: record ${index} says ${r.seq}`]
    if (BigInt(r.total) !== total) yield ["total_differs", `${id}: record ${index} says ${r.total}, the sum is ${total}`]
  }
}

function* checkRoots(id, log, one) {
  const leaves = log.records.map((line) => leafOf(line.record))
  for (const { units, usageRoot } of one.settled) {
    const sizes = log.records.flatMap((line, index) => (BigInt(line.record.total) === units ? [index + 1] : []))
    if (!sizes.length) yield ["settled_units_differ", `${id}: no record ends at the ${units} units settled`]
    else if (!sizes.some((size) => usageRootOf(leaves.slice(0, size)) === usageRoot))
      yield ["root_differs", `${id}: ${usageRoot} is not this log's root at ${units} units`]
  }
}

async function* checkVoucher(id, log, one, chain) {
  const { voucher } = log
  const size = Number(voucher.size)
  const told = { subscriptionId: BigInt(voucher.subscriptionId ?? id), units: BigInt(voucher.units), usageRoot: voucher.usageRoot }
  const last = log.records[size - 1]
  const leaves = log.records.slice(0, size).map((line) => leafOf(line.record))
  if (!last || usageRootOf(leaves) !== told.usageRoot || BigInt(last.record.total) !== told.units)
    yield ["voucher_differs", `${id}: the newest voucher is not this log at ${size} records`]
  const session = voucher.r ? expanded(voucher.r, voucher.vs) : (voucher.signature ?? voucher.sessionSignature)
  if (session && !one.signers.has(await signerOf(chain, told, session)))
    yield ["session_signature_wrong", `${id}: the voucher is not signed by its session key`]
  if (voucher.meterSignature && !chain.meterKeys(id).has(await signerOf(chain, told, voucher.meterSignature)))
    yield ["meter_signature_wrong", `${id}: the voucher is not signed by the gateway's key`]
}

function expanded(r, vs) {
  const word = BigInt(vs)
  return r + (word & ((1n << 255n) - 1n)).toString(16).padStart(64, "0") + (word >> 255n ? "1c" : "1b")
}

async function signerOf(chain, message, signature) {
  try {
    return await recoverTypedDataAddress({ domain: chain.domain, types: VOUCHER, primaryType: "Voucher", message, signature })
  } catch {
    return null
  }
}

// ------------------------------------------------------------------------------------------------------------- money

/** What the node tells: events in order, folded to subscriptions, accounts and plans' tills. */
async function readChain(url, market) {
  const client = createPublicClient({ transport: http(url, { batch: true }) })
  const block = await client.getBlock()
  const view = (address, abi, functionName, args = []) =>
    client.readContract({ address, abi, functionName, args, blockNumber: block.number })
  const [chainId, token, catalog] = await Promise.all([
    client.getChainId(), view(market, MARKET_ABI, "token"), view(market, MARKET_ABI, "catalog"),
  ])
  const span = { fromBlock: 0n, toBlock: block.number }
  const [events, listed, into, out, balance] = await Promise.all([
    client.getLogs({ address: market, events: MARKET_ABI.filter((entry) => entry.type === "event"), ...span }),
    client.getLogs({ address: catalog, events: CATALOG_ABI.filter((entry) => entry.type === "event"), ...span }),
    client.getLogs({ address: token, event: TOKEN_ABI[0], args: { to: market }, ...span }),
    client.getLogs({ address: token, event: TOKEN_ABI[0], args: { from: market }, ...span }),
    view(token, TOKEN_ABI, "balanceOf", [market]),
  ])
  const meters = new Map()
  const plans = new Map()
  for (const { eventName, args } of listed) {
    if (eventName === "PlanPublished") plans.set(args.planId, args)
    else meters.set(args.modelId, (meters.get(args.modelId) ?? new Set()).add(getAddress(args.meterKey)))
  }
  return {
    client, view, market, events, plans, balance, into, out, subscriptions: new Map(), accounts: new Map(),
    tills: new Map(),
    domain: { name: "Slicing4Meta MaaSMarket", version: "1", chainId, verifyingContract: market },
    meterKeys: (id) => meters.get(Number(BigInt(id) >> 64n)) ?? new Set(),
  }
}

const sum = (logs) => logs.reduce((total, log) => total + log.args.value, 0n)

async function* checkMoney(chain) {
  const { accounts, subscriptions, tills } = chain
  const book = (account, amount) => accounts.set(account, (accounts.get(account) ?? 0n) + amount)
  const till = (plan) => tills.get(plan) ?? tills.set(plan, { earned: 0n, paid: 0n, drawn: new Map() }).get(plan)
  let place = -1n
  for (const event of chain.events) {
    const { eventName: name, args } = event
    const here = event.blockNumber * 1_000_000n + BigInt(event.logIndex)
    if (here <= place) yield ["events_disordered", `${name} in block ${event.blockNumber} is told out of order or twice`]
    place = here
    const id = args.subscriptionId
    const plan = chain.plans.get(id === undefined ? args.planId : id >> 32n)
    const one = subscriptions.get(id)
    if (id !== undefined && name !== "Subscribed" && (!one || !plan)) {
      yield ["event_orphaned", `${name} is of ${id}, which nobody bought`]
      continue
    }
    switch (name) {
      case "Deposited": book(args.account, args.amount); break
      case "Withdrawn": book(args.account, -args.amount); break
      case "Subscribed":
        subscriptions.set(id, {
          buyer: args.buyer, signers: new Set([getAddress(args.signer)]), signer: args.signer, cap: BigInt(args.cap),
          periods: BigInt(args.periods), reserved: args.reserved, used: 0n, spent: 0n, time: 0n, returned: 0n,
          timeReturned: 0n, settled: [], since: 0n, paidThrough: 0n, through: 0n, ended: false, plan: id >> 32n,
        })
        book(args.buyer, -args.reserved)
        break
      case "Activated":
        one.since = one.through = BigInt(args.since)
        one.paidThrough = BigInt(args.paidThrough)
        break
      case "CapRaised":
        one.cap = BigInt(args.cap)
        one.reserved += args.amount
        book(args.payer, -args.amount)
        break
      case "Renewed":
        one.periods += BigInt(args.periods)
        one.paidThrough = BigInt(args.paidThrough)
        one.reserved += args.amount
        book(args.payer, -args.amount)
        break
      case "SignerConfirmed":
        one.signers.add(getAddress(args.signer))
        one.signer = args.signer
        break
      case "Settled": {
        const units = BigInt(args.units)
        const due = (units - one.used) * plan.terms.unitPrice
        if (args.amount !== due) yield ["amount_differs", `${id}: ${units} units moved ${args.amount}, due ${due}`]
        if (units > one.cap || units <= one.used) yield ["units_out_of_bounds", `${id}: from ${one.used} to ${units}, cap ${one.cap}`]
        yield* await settlementFinding(chain, event, one)
        one.used = units
        one.spent += args.amount
        one.settled.push({ units, usageRoot: args.usageRoot })
        till(one.plan).earned += args.amount
        break
      }
      case "TimeCollected":
        one.time += args.amount
        one.through = BigInt(args.through)
        till(one.plan).earned += args.amount
        break
      case "ReleaseRequested":
        one.time += args.timePaid
        one.timeReturned += args.timeRefunded
        one.returned += args.timeRefunded
        one.through = min(args.releasableAt - BigInt(plan.terms.releaseWindow), one.paidThrough)
        till(one.plan).earned += args.timePaid
        book(one.buyer, args.timeRefunded)
        if (one.time + one.timeReturned !== one.periods * plan.terms.periodPrice)
          yield ["time_differs", `${id}: time paid and given back are not what was prepaid`]
        break
      case "Released":
      case "Refunded": {
        const amount = args.refunded ?? args.amount
        one.returned += amount
        one.ended = true
        book(one.buyer, amount)
        break
      }
      case "PaidOut":
      case "SharePaidOut": {
        const row = till(args.planId)
        const model = args.modelId ?? Number(args.planId >> 32n)
        const due = dueOf(row, plan, model, name === "PaidOut")
        if (args.amount !== due) yield ["payout_differs", `plan ${args.planId}, model ${model}: ${args.amount} was paid, due ${due}`]
        row.paid += args.amount
        row.drawn.set(model, (row.drawn.get(model) ?? 0n) + args.amount)
      }
    }
  }
  for (const [id, one] of subscriptions) yield* checkSubscription(id, one, chain.plans.get(one.plan))
  yield* checkSums(chain)
  for await (const finding of checkViews(chain)) yield finding
}

const min = (a, b) => (a < b ? a : b)

function dueOf(row, plan, model, isOwner) {
  const bps = plan.shares.reduce((total, share) => total + (isOwner || share.modelId === model ? BigInt(share.bps) : 0n), 0n)
  const part = (row.earned * bps) / WHOLE_BPS
  return (isOwner ? row.earned - part : part) - (row.drawn.get(model) ?? 0n)
}

/** A settlement must stand in its transaction's call data, signed by the session key. */
async function settlementFinding(chain, event, one) {
  const { args } = event
  const transaction = await chain.client.getTransaction({ hash: event.transactionHash })
  if (!transaction.to || getAddress(transaction.to) !== chain.market) return []
  const { functionName, args: [vouchers] } = decodeFunctionData({ abi: MARKET_ABI, data: transaction.input })
  if (functionName !== "settle") return []
  for (const voucher of vouchers) {
    const same = voucher.subscriptionId === args.subscriptionId && voucher.units === args.units && voucher.usageRoot === args.usageRoot
    if (same && (await signerOf(chain, voucher, expanded(voucher.r, voucher.vs))) === getAddress(one.signer)) return []
  }
  return [["settlement_differs", `${args.subscriptionId}: no voucher over ${args.units} units was signed by its session key`]]
}

function* checkSubscription(id, one, plan) {
  const { unitPrice, periodPrice, period } = plan.terms
  const due = one.cap * unitPrice + one.periods * periodPrice
  if (one.reserved !== due) yield ["reserved_differs", `${id}: reserved ${one.reserved}, cap and periods cost ${due}`]
  const time = one.since && period ? (periodPrice * (one.through - one.since)) / BigInt(period) : 0n
  if (one.time !== time) yield ["time_differs", `${id}: time took ${one.time}, due ${time}`]
  if (one.since && one.paidThrough !== one.since + one.periods * BigInt(period))
    yield ["time_differs", `${id}: paid through ${one.paidThrough}, which is not its periods`]
  const left = one.reserved - one.spent - one.time - one.returned
  if (left < 0n) yield ["overspent", `${id}: ${-left} more was spent and returned than reserved`]
  if (one.ended && left !== 0n) yield ["refund_differs", `${id}: it has ended and ${left} was neither spent nor returned`]
}

/** Accounts, reservations and tills together are what the market holds, gifts aside; and the token agrees. */
function* checkSums({ accounts, subscriptions, tills, balance, into, out }) {
  let owed = 0n
  for (const amount of accounts.values()) owed += amount
  for (const one of subscriptions.values()) owed += one.reserved - one.spent - one.time - one.returned
  for (const row of tills.values()) owed += row.earned - row.paid
  if (owed > balance) yield ["balance_short", `the market owes ${owed} and holds ${balance}`]
  if (sum(into) - sum(out) !== balance) yield ["balance_differs", `it holds ${balance}, its transfers make ${sum(into) - sum(out)}`]
}

/** The contract's own word on accounts and tills at the same block. */
async function* checkViews(chain) {
  for (const [account, amount] of chain.accounts) {
    const [stored] = await chain.view(chain.market, MARKET_ABI, "accountOf", [account])
    if (stored !== amount) yield ["account_differs", `${account} has ${stored}, its events make ${amount}`]
  }
  for (const [plan, row] of chain.tills) {
    const [earned, paid] = await chain.view(chain.market, MARKET_ABI, "earningsOf", [plan])
    if (earned !== row.earned || paid !== row.paid)
      yield ["earnings_differ", `plan ${plan}: ${earned} and ${paid}, its events make ${row.earned} and ${row.paid}`]
  }
}

// -------------------------------------------------------------------------------------------------------------- main

async function collected(findings) {
  const found = []
  for await (const [code, detail] of findings) found.push({ code, detail })
  return found
}

async function* checkLogs(path, chain) {
  const logs = readLog(path)
  for (const [id, log] of logs) {
    const one = chain.subscriptions.get(BigInt(id))
    if (!one) {
      yield ["subscription_unknown", `the chain knows no ${id}`]
      continue
    }
    yield* checkRecords(id, log)
    yield* checkRoots(id, log, one)
    if (log.voucher) yield* checkVoucher(id, log, one, chain)
  }
  for (const [id, one] of chain.subscriptions)
    if (one.used && !logs.get(String(id))?.records.length) yield ["log_missing", `${id}: ${one.used} units are settled, no log is shown`]
}

async function main([url, market, ...files]) {
  if (!url || !market) throw new Error("usage: second_checker.mjs RPC_URL MARKET LOG.jsonl …")
  const chain = await readChain(url, getAddress(market))
  const money = await collected(checkMoney(chain))
  const logs = {}
  for (const file of files) logs[file] = await collected(checkLogs(file, chain))
  console.log(JSON.stringify({ money, logs }))
}

main(process.argv.slice(2)).catch((error) => {
  console.error(`second checker: ${error.message}`)
  process.exitCode = 2
})
