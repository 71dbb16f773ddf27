// What a wallet will be asked to sign, in words: one sentence a field, made of the very typed data that it gets.
import { money, moment, short } from '../format.js';

/** @typedef {{ field: string, value: string, words: string }} Line */

/** @type {Record<string, (value: any, known: any) => string>} */
const PURCHASE = {
  planId: (value, known) => `You buy ${known.title}, plan ${value}.`,
  signer: (value) => `A new key of this browser, ${short(value)}, may sign for what you use, up to the cap.`,
  cap: (value) => `At most ${Number(value).toLocaleString('en')} units can ever be billed.`,
  periods: (value) => `${value} ${value === '1' ? 'period is' : 'periods are'} paid ahead.`,
  requirementsHash: (value) => `Your request document has the fingerprint ${short(value)}.`,
};

/** @type {Record<string, Record<string, (value: any, known: any) => string>>} */
const SENTENCES = {
  Order: {
    ...PURCHASE,
    buyer: (value) => `You, ${short(value)}, are the buyer.`,
    total: (value) => `${money(value)} are reserved now; what you do not use comes back to you.`,
    nonce: (value) => `This is order number ${value} of your account: it can be used once.`,
    deadline: (value) => `After ${moment(value)} it is worth nothing.`,
  },
  Permit: {
    owner: (value) => `From your wallet ${short(value)}`,
    spender: (value) => `the market contract ${short(value)}, and nobody else, may draw`,
    value: (value) => `${money(value)}, once, for this purchase.`,
    nonce: (value) => `This is permission number ${value} of your wallet: it can be used once.`,
    deadline: (value) => `After ${moment(value)} it is worth nothing.`,
  },
  approve: {
    spender: (value) => `The market contract ${short(value)}, and nobody else, may draw from your wallet`,
    value: (value) => `${money(value)}, which the next call reserves for you; what you do not use comes back.`,
  },
  buy: PURCHASE,
};
const TITLES = {
  Permit: 'A permission to draw the money',
  Order: 'The order',
  approve: 'First call: a permission to draw the money',
  buy: 'Second call: the purchase',
};

/**
 * Every field of the message, in its order, and where the signature is good. Throws where a field has no sentence:
 * nothing may be signed or sent that was not shown.
 * @param {any} typedData
 * @param {{ title: string }} known
 * @returns {Line[]}
 */
export function wordsOf(typedData, known) {
  const { types, primaryType, message, domain } = typedData;
  const lines = types[primaryType].map(({ name }) => {
    const sentence = SENTENCES[primaryType]?.[name];
    if (!sentence) throw new Error(`This page cannot put the field ${name} into words; sign nothing.`);
    return { field: name, value: String(message[name]), words: sentence(String(message[name]), known) };
  });
  const where = `It is good on chain ${domain.chainId} alone, for the contract “${domain.name}” at ${short(domain.verifyingContract)}.`;
  return [...lines, { field: 'verifyingContract', value: String(domain.verifyingContract), words: where }];
}

/**
 * The list as elements: sentence first, the raw field behind it.
 * @param {any} typedData
 * @param {{ title: string }} known
 */
export function shownWords(typedData, known) {
  const section = document.createElement('section');
  section.className = 'words';
  section.dataset.primaryType = typedData.primaryType;
  const title = document.createElement('h3');
  title.textContent = TITLES[typedData.primaryType];
  const list = document.createElement('ul');
  list.append(...wordsOf(typedData, known).map(shownLine));
  section.append(title, list);
  return section;
}

/** @param {Line} line */
function shownLine({ field, value, words }) {
  const item = document.createElement('li');
  item.dataset.field = field;
  const raw = document.createElement('code');
  raw.textContent = `${field} = ${value}`;
  item.append(words, ' ', raw);
  return item;
}
