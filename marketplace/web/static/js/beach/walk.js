// Where the walker stands: metres along the shore and from it, radians, and seconds of the beach's day. Pure.

const STEP_M = 4;
const TURN = 0.3;
const STEP_S = 9; // of the day, so that the light changes as one walks

export const START = { x: 200, y: 30, yaw: 0, t: 400 };

/** The next place after a move: forward, back, left, right. */
export function moved({ x, y, yaw, t }, move) {
  const ahead = { forward: STEP_M, back: -STEP_M }[move] ?? 0;
  const turn = { left: -TURN, right: TURN }[move] ?? 0;
  const rounded = (value) => Math.round(value * 100) / 100;
  return { x: rounded(x + ahead * Math.cos(yaw)), y: rounded(y + ahead * Math.sin(yaw)), yaw: rounded(yaw + turn), t: t + STEP_S };
}

const KEYS = { ArrowUp: 'forward', w: 'forward', ArrowDown: 'back', s: 'back', ArrowLeft: 'left', a: 'left', ArrowRight: 'right', d: 'right' };

/** The move that a key means, if any. @param {KeyboardEvent} event @returns {string | undefined} */
export const moveOf = (event) => (event.ctrlKey || event.metaKey || event.altKey ? undefined : KEYS[event.key]);
