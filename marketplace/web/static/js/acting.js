// Forms marked data-act: each sends one transaction by the visitor's wallet; result and trouble are said in words.
import { ready } from './wallet.js';

/** @param {(form: HTMLFormElement, by: import('./wallet.js').Connection) => Promise<string>} act returns what was done */
export function setUpActions(act) {
  for (const form of document.querySelectorAll('form[data-act]')) {
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      attempt(/** @type {HTMLFormElement} */ (form), act);
    });
  }
}

async function attempt(form, act) {
  const [trouble, done, button] = [document.getElementById('trouble'), document.getElementById('done'), form.querySelector('button')];
  trouble.replaceChildren();
  button.disabled = true;
  try {
    done.textContent = 'Your wallet is asked…';
    done.textContent = await act(form, await ready());
  } catch (cause) {
    done.textContent = '';
    const note = document.createElement('p');
    note.className = 'note bad';
    note.textContent = cause.message;
    trouble.replaceChildren(note);
  } finally {
    button.disabled = false;
  }
}
