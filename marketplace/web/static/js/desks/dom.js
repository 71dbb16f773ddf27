// Builds elements; text is always set as text, never as markup.

/** `element("td", {class: "number"}, "5")`; null children are left out. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children.flat().filter((child) => child !== null));
  return made;
}

export const code = (text) => element('code', { title: text }, text.length > 14 ? `${text.slice(0, 8)}…${text.slice(-6)}` : text);

export const badge = (state, words) => element('span', { class: 'badge', 'data-state': state }, words);

/** A table with a caption; cells are strings or elements. The frame can be scrolled by keyboard. */
export function table(caption, heads, rows) {
  const head = element('tr', {}, heads.map((each) => element('th', { scope: 'col' }, each)));
  const body = rows.map((cells) => element('tr', {}, cells.map((cell) => element('td', {}, cell))));
  const made = element('table', {}, element('caption', {}, caption), element('thead', {}, head), element('tbody', {}, body));
  return element('div', { class: 'table', tabindex: '0', role: 'region', 'aria-label': caption }, made);
}

export const note = (tone, ...words) => element('p', { class: `note ${tone}` }, ...words);

/** What the page was told of the chain, as JSON in <script type="application/json" id="facts">. */
export const facts = () => JSON.parse(document.getElementById('facts').textContent);
