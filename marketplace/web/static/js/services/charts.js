// uPlot on a service's page: three charts in the page's own colours, redrawn when the light changes.

const HEIGHT = 190;
const SHOWN = 5000; // values that the scale is taken of
const PAD = 1.4; // above the highest value, so that a bound that is near comes into sight

/**
 * Makes the charts that the page has places for; returns what draws them.
 * @param {{ floor: number, cap: string, unitPrice: string }} known
 */
export function charted(known) {
  const promise = known.floor / 1000;
  const most = (Number(known.cap) * Number(known.unitPrice)) / 1e6;
  const charts = [
    made('immersion-chart', ['Immersion', 'Promised'], (series) => [series.immersion, series.times.map(() => promise)], 2 * promise),
    made('spend-chart', ['Spent, MAAS', 'Cap'], (series) => [series.spent, series.times.map(() => most)], 0),
    made('rate-chart', ['Units a minute'], (series) => [series.rates], 1),
  ].filter(Boolean);
  keepUp(charts);
  return (series) => charts.forEach((chart) => chart.show(series));
}

/** @param {string} id @param {string[]} labels of a line and of its bound @param {(series: any) => any[]} values @param {number} least height of the scale */
function made(id, labels, values, least) {
  const place = document.getElementById(id);
  if (!place) return null;
  const axis = () => ({ stroke: () => ink('--muted'), grid: { stroke: () => ink('--line'), width: 1 }, ticks: { show: false } });
  const plot = new window.uPlot({
    width: 300, height: HEIGHT, cursor: { y: false },
    scales: { y: { range: (shown) => [0, top(shown.data[1], least)] } },
    axes: [{ ...axis(), values: (_plot, times) => times.map(clock), space: 70 }, { ...axis(), size: 56 }],
    series: [{ label: 'UTC', value: (_plot, time) => (time === null ? '–' : clock(time)) }, line(labels[0], '--accent'), ...labels.slice(1).map((label) => ({ ...line(label, '--sun'), dash: [6, 4] }))],
  }, [[], ...labels.map(() => [])], place);
  const fit = () => plot.setSize({ width: place.clientWidth, height: HEIGHT });
  return {
    show(series) {
      fit();
      plot.setData([series.times, ...values(series)]);
      place.setAttribute('aria-label', `${labels[0]}, last ${values(series)[0].findLast((value) => value !== null) ?? 'none'}`);
    },
    redraw: () => plot.redraw(false),
    fit,
  };
}

const line = (label, colour) => ({ label, stroke: () => ink(colour), width: 2, spanGaps: true, points: { show: false } });

const clock = (seconds) => new Date(seconds * 1000).toISOString().slice(11, 19);

const top = (values, least) => Math.max(least, ...values.slice(-SHOWN)) * PAD || 1;

function keepUp(charts) {
  const redraw = () => charts.forEach((chart) => chart.redraw());
  new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ['data-theme'] });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
  addEventListener('resize', () => charts.forEach((chart) => chart.fit()));
}

const probe = document.createElement('span');

// What a colour of the style sheet is in the light that the page is in now.
function ink(name) {
  if (!probe.isConnected) document.body.append(probe);
  probe.style.color = `var(${name})`;
  return getComputedStyle(probe).color;
}
