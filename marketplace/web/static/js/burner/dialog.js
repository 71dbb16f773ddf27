// The burner's own question, shown over the page before anything is signed.
import { element } from '../desks/dom.js';

/** Whether the owner said yes to these facts (label → text). */
export function confirmed(question, facts) {
  const dialog = element(
    'dialog',
    { 'aria-labelledby': 'burner-question', class: 'burner' },
    element(
      'form',
      { method: 'dialog', class: 'stack' },
      element('p', { class: 'badge', 'data-state': 'requested' }, 'Burner wallet (devnet)'),
      element('h2', { id: 'burner-question' }, question),
      element('dl', { class: 'arguments', tabindex: '0', 'aria-label': 'What is asked' }, Object.entries(facts).map(fact)),
      element(
        'div',
        { class: 'row' },
        element('button', { class: 'button', value: 'yes' }, 'Confirm'),
        element('button', { class: 'button plain', value: 'no' }, 'Refuse'),
      ),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue === 'yes');
    });
  });
}

function fact([label, value]) {
  return element('div', {}, element('dt', {}, label), element('dd', {}, element('code', {}, String(value))));
}
