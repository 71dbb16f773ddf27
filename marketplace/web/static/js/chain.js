// Which chain and contracts this marketplace stands on, as the page names them.

const said = document.body.dataset;

export const CHAIN_ID = Number(said.chainId);
export const MARKET = /** @type {`0x${string}`} */ (said.market);
export const CREDIT = /** @type {`0x${string}`} */ (said.credit);
export const ASSETS = /** @type {`0x${string}`} */ (said.assets);
