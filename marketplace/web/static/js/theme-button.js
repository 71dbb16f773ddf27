// The button that turns system → light → dark; the choice is kept in this browser. theme.js applies it at load.

const NAMES = { system: 'Theme: system', light: 'Theme: light', dark: 'Theme: dark' };
const NEXT = { system: 'light', light: 'dark', dark: 'system' };

/** @param {HTMLButtonElement} button */
export function setUpTheme(button) {
  show(button, kept());
  button.hidden = false;
  button.addEventListener('click', () => {
    const theme = NEXT[kept()];
    localStorage.setItem('s4m-theme', theme);
    show(button, theme);
  });
}

/** @returns {'system' | 'light' | 'dark'} */
function kept() {
  const theme = localStorage.getItem('s4m-theme');
  return theme === 'light' || theme === 'dark' ? theme : 'system';
}

/**
 * @param {HTMLButtonElement} button
 * @param {'system' | 'light' | 'dark'} theme
 */
function show(button, theme) {
  button.textContent = NAMES[theme];
  if (theme === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}
