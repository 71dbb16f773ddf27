// Runs before the first paint (a plain script in <head>): the theme that the reader chose, else the system's.
'use strict';
(() => {
  const chosen = localStorage.getItem('s4m-theme');
  if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
})();
