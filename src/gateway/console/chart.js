// Small charts of what successive answers have shown.

import {draw, make, setText} from './dom.js';

const LENGTH = 120;
const WIDTH = 240;
const HEIGHT = 56;

// What was seen of each thing, by its key; it lives as long as the page does.
const histories = new Map();

// Remembers numbers of a thing at this moment, and returns all that is known.
export function remember(key, numbers) {
	const history = histories.get(key) ?? [];
	history.push({at: Date.now(), ...numbers});
	if (history.length > LENGTH) history.shift();
	histories.set(key, history);
	return history;
}

// How a counter rose, per second, from each point to the next.
export function rising(history, name) {
	return history.slice(1).map((point, i) => ({
		at: point.at,
		value: Math.max(point[name] - history[i][name], 0) / Math.max((point.at - history[i].at) / 1000, 0.001)}));
}

export function plain(history, name) {
	return history.map((point) => ({at: point.at, value: point[name]}));
}

export function makeChart(title, kind) {
	const area = draw('path', {class: 'chart-area'});
	const line = draw('path', {class: 'chart-line'});
	const svg = draw('svg', {viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img'},
		area, draw('path', {class: 'chart-base', d: `M0 ${HEIGHT - 1}H${WIDTH}`}), line);
	const caption = make('figcaption');
	return {
		element: make('figure', {class: kind ?? null}, caption, svg),
		show(points, format) {
			const last = points.at(-1);
			if (!last) {
				setText(caption, title + ': waiting for the next look');
				svg.setAttribute('aria-label', title + ': no points yet');
				return;
			}
			const top = Math.max(...points.map((point) => point.value));
			const first = points[0].at;
			const span = Math.max(last.at - first, 1);
			const places = points.map((point) => {
				const x = points.length === 1 ? WIDTH : (point.at - first) / span * WIDTH;
				const y = HEIGHT - 2 - (top > 0 ? point.value / top * (HEIGHT - 6) : 0);
				return x.toFixed(1) + ' ' + y.toFixed(1);
			});
			if (places.length === 1) places.unshift('0 ' + places[0].split(' ')[1]);
			line.setAttribute('d', 'M' + places.join('L'));
			area.setAttribute('d', `M0 ${HEIGHT}L` + places.join('L') + `L${WIDTH} ${HEIGHT}Z`);
			setText(caption, title + ': ' + format(last.value) + (top > last.value ? ', at most ' + format(top) : ''));
			const minutes = span / 60000;
			svg.setAttribute('aria-label', title + ' over ' +
				(minutes < 1 ? 'the last minute' : 'the last ' + Math.ceil(minutes) + ' minutes') +
				': now ' + format(last.value) + ', at most ' + format(top));
		},
	};
}
