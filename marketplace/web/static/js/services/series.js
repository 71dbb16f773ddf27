// The figures behind the charts, from usage records in their order. Pure but for the clock.

const WINDOW_S = 60; // over which the rate is taken

/** @param {{ cap: string, unitPrice: string, floor: number }} known */
export const newSeries = (known) => new Series(known);

class Series {
  #known;
  #records = [];

  constructor(known) {
    this.#known = known;
    this.times = []; // UTC seconds
    this.immersion = []; // null where a use shows no picture
    this.spent = []; // MAAS
    this.rates = []; // units a minute
  }

  /** The number that the next record will have; undefined before the first. */
  get next() {
    return this.#records.length ? Number(this.#records.at(-1).seq) + 1 : undefined;
  }

  /** Takes records that follow those it has; others are left out. */
  add(records) {
    for (const record of records) {
      if (this.next !== undefined && Number(record.seq) !== this.next) continue;
      this.#records.push(record);
      const at = Number(record.endMillis) / 1000;
      this.times.push(at);
      this.immersion.push(record.immersion ? Number(record.immersion) / 1000 : null);
      this.spent.push((Number(record.total) * Number(this.#known.unitPrice)) / 1e6);
      this.rates.push(this.#rateAt(at));
    }
  }

  /** @param {number} count newest first */
  last(count) {
    return this.#records.slice(-count).reverse();
  }

  /** Where it stands now: `rate` in units a minute, `runway` in seconds until the cap at that rate, null when idle. */
  summary() {
    const shown = this.immersion.filter((value) => value !== null);
    const units = this.#records.at(-1)?.total ?? 0n;
    const rate = this.#rateAt(Date.now() / 1000);
    return {
      immersion: shown.at(-1) ?? null,
      measured: shown.length,
      kept: shown.filter((value) => value * 1000 >= this.#known.floor).length,
      rate, units,
      runway: rate > 0 ? ((Number(this.#known.cap) - Number(units)) / rate) * 60 : null,
    };
  }

  // Units of the last minute before `at`.
  #rateAt(at) {
    let units = 0;
    for (let index = this.#records.length - 1; index >= 0; index -= 1) {
      if (Number(this.#records[index].endMillis) / 1000 <= at - WINDOW_S) break;
      units += Number(this.#records[index].units);
    }
    return units;
  }
}

/** Seconds in words, in their largest part or two. @param {number} seconds */
export function duration(seconds) {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
}
