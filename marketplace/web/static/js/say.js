// Short messages in the corner, read out by screen readers. Errors stay until the next message.

/**
 * @param {string} words
 * @param {'plain' | 'bad'} [tone]
 */
export function say(words, tone = 'plain') {
  const place = /** @type {HTMLElement} */ (document.getElementById('say'));
  const line = document.createElement('p');
  line.textContent = words;
  if (tone === 'bad') line.className = 'bad';
  place.replaceChildren(line);
  if (tone === 'plain') setTimeout(() => line.remove(), 6000);
}
