// On every page: the theme button, the wallet button, and what shows who is connected.

import { setUpTheme } from './theme-button.js';
import { setUpWalletButton } from './wallet-button.js';

setUpTheme(/** @type {HTMLButtonElement} */ (document.getElementById('theme')));
setUpWalletButton(/** @type {HTMLButtonElement} */ (document.getElementById('wallet')));
