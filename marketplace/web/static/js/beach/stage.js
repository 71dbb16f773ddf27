// The picture on the page: the pixels that really came, what stands where in them, and the Meta-Immersion they were worth.

const at = (id) => document.getElementById(id);
const canvas = /** @type {HTMLCanvasElement} */ (at('view'));

/** @typedef {{ object: number, name: string, x: number, y: number, w: number, h: number }} Tile */

/** @type {Tile[]} */
let tiles = [];
let top = 0;

/** @param {ImageBitmap} picture @param {Tile[]} shown */
export function showPicture(picture, shown) {
  [canvas.width, canvas.height] = [picture.width, picture.height];
  canvas.getContext('2d').drawImage(picture, 0, 0);
  tiles = shown;
  canvas.setAttribute('aria-label', `The beach: ${shown.map((tile) => tile.name).join(', ')}.`);
}

/** Calls `chosen` with the thing that was clicked in the picture. @param {(tile: Tile) => void} chosen */
export function onChoice(chosen) {
  canvas.classList.add('choosing');
  canvas.addEventListener('click', (event) => {
    const [x, y] = [(event.offsetX * canvas.width) / canvas.clientWidth, (event.offsetY * canvas.height) / canvas.clientHeight];
    const found = tiles.find((tile) => x >= tile.x && x < tile.x + tile.w && y >= tile.y && y < tile.y + tile.h);
    if (found) chosen(found);
  });
}

/**
 * The gauge: from nothing to twice the promise, or to a little more than was ever seen.
 * @param {number} milli measured Meta-Immersion @param {import('../use/agreement.js').Agreement['terms']} terms
 */
export function showImmersion(milli, { floor, discountBps }) {
  top = Math.max(top, 1.25 * milli, 2 * Number(floor), 1);
  const share = (value) => (100 * value) / top;
  const isUnder = milli < Number(floor);
  at('needle').setAttribute('stroke-dasharray', `${share(milli)} 100`);
  at('needle').classList.toggle('under', isUnder);
  at('promise').setAttribute('stroke-dasharray', `0 ${share(Number(floor)) - 0.6} 1.2 100`);
  at('immersion').textContent = (milli / 1000).toFixed(2);
  at('promise-words').textContent = isUnder ? `Missed: this picture was ${Number(discountBps) / 100} % cheaper.` : 'Kept: full price.';
}
