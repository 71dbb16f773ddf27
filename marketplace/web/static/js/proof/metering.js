// A plan's metering rules, in whole numbers only; mirrors ledger/metering.py, which the gateway and the audit use.
// Pure: units are billable units, times UTC milliseconds where named so, else UTC seconds. All numbers are bigints.

export class TermsInvalid extends Error {}

/** The terms document as rules. */
export function parseTerms(document) {
  if (document.schema !== 's4m/terms/1') throw new TermsInvalid(`the terms' schema is ${document.schema}`);
  return {
    meters: document.meters.map((meter) => ({ ...meter, unitsPer1000: BigInt(meter.units_per_1000) })),
    included: BigInt(document.included_units_per_period),
    floor: BigInt(document.qoe.floor_milli),
    discountBps: BigInt(document.qoe.discount_bps),
    creditUnits: BigInt(document.credit_units),
    creditSeconds: BigInt(document.credit_seconds),
  };
}

/** Units of one record before included units: floor(quantity × rate × (1 − discount)). */
export function grossUnits(terms, record) {
  const scaled = record.quantity * terms.meters[Number(record.meter)].unitsPer1000;
  const isUnderFloor = record.immersion > 0n && record.immersion < terms.floor;
  return isUnderFloor ? (scaled * (10_000n - terms.discountBps)) / 10_000_000n : scaled / 1000n;
}

/** Included units vested at `atMillis`: included × elapsed ÷ period, floored; never beyond the paid time. */
export function vested(terms, since, period, paidThrough, atMillis) {
  if (period === 0n || terms.included === 0n) return 0n;
  const end = atMillis < paidThrough * 1000n ? atMillis : paidThrough * 1000n;
  const elapsed = end - since * 1000n;
  return elapsed <= 0n ? 0n : (terms.included * elapsed) / (period * 1000n);
}

/** The tally {gross, billed} after one more record; its units are the difference of `billed`. */
export function bill(terms, tally, record, vestedUnits) {
  const gross = grossUnits(terms, record);
  const free = vestedUnits - (tally.gross - tally.billed);
  const units = free > 0n ? (gross > free ? gross - free : 0n) : gross;
  return { gross: tally.gross + gross, billed: tally.billed + units };
}

/** Meta-Immersion in thousandths from what was measured (ledger/metering.py); doubles, so the last digit may differ. */
export function immersionMilli({ rate_bps: rate, bep, objects }) {
  const worth = objects.reduce((sum, { attention, k }) => sum + attention * Math.log(Math.max(k, 15) / 15), 0);
  return Math.max(1, Math.floor(1000 * Math.min(Math.max(rate / 1e9, 0), 1) * (1 - bep) * worth));
}
