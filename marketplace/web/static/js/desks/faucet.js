// The faucet's page: test money for an account, and the burner wallet's beginning and end.
import { address, burn, create } from '../burner/keeper.js';
import { confirmed } from '../burner/dialog.js';
import { connected } from '../wallet.js';
import { money } from '../format.js';
import { code, note } from './dom.js';

const field = (name) => document.getElementById(name);
const state = field('burner-state');

field('faucet').addEventListener('submit', give);
field('burner-create').addEventListener('click', () => turned(create));
field('burner-burn').addEventListener('click', () => turned(burnAsked));
document.addEventListener('s4m:wallet', fill);
turned(async () => undefined);

async function give(event) {
  event.preventDefault();
  const given = field('given');
  given.replaceChildren(note('', 'Sending…'));
  const body = JSON.stringify({ address: field('account').value.trim() });
  const answer = await fetch('/api/v1/faucet', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });
  const told = await answer.json();
  const words = answer.ok ? [code(told.address), ` has ${money(BigInt(told.credits))} now.`] : [`${told.title}: ${told.detail} ${told.remedy}`];
  given.replaceChildren(note(answer.ok ? 'good' : 'bad', ...words));
}

async function burnAsked() {
  const what = 'Its key is destroyed, and with it all that the account owns on this devnet.';
  if (await confirmed('Burn the burner wallet?', { What: what })) await burn();
}

// Does it, then shows whether there is a burner.
async function turned(work) {
  try {
    await work();
    await show(await address());
  } catch (error) {
    state.replaceChildren(note('bad', error.message));
  }
}

function show(own) {
  field('burner-create').hidden = own !== null;
  field('burner-burn').hidden = own === null;
  state.replaceChildren(...(own ? ['This browser’s burner: ', code(own)] : ['There is none in this browser.']));
  fill();
  if (own && !field('account').value) field('account').value = own;
}

function fill() {
  const account = connected()?.account;
  if (account && !field('account').value) field('account').value = account;
}
