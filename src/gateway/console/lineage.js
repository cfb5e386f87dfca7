// The picture of a stream's shards. Time goes from left to right, one column for
// each moment at which shards were opened; from top to bottom there are the hashes
// of the partition key. A shard is a box: a split cuts the box behind it in two,
// rolling over begins the next box of the same height.

import {draw, make, rate, setText, shortShard} from './dom.js';

const HEAD = 18;
const COLUMN = 26; // the narrowest one
const SAME_MOMENT = 2000; // milliseconds

function level(value, top) {
	if (!value || !top) return 'rate-0';
	return 'rate-' + Math.min(3, Math.floor(value / top * 4));
}

function share(shard) {
	return +((shard.high - shard.low) * 100).toPrecision(3) + ' %';
}

// Puts shards that were opened at nearly the same moment into one column, but a
// child never into that of its parent.
function columnsOf(shards) {
	const inOrder = shards.map((shard) => ({shard, at: Date.parse(shard.opened)}))
		.sort((a, b) => a.at - b.at || (a.shard.id < b.shard.id ? -1 : 1));
	const columns = [];
	const columnOf = new Map();
	for (const {shard, at} of inOrder) {
		if (!columns.length || at - columns.at(-1).last > SAME_MOMENT || columnOf.get(shard.parent) === columns.length - 1)
			columns.push({first: at, last: at});
		columns.at(-1).last = at;
		columnOf.set(shard.id, columns.length - 1);
	}
	return {columns, columnOf};
}

// Where each shard begins and ends, in columns; those that no longer fit are left out.
function place(shards, width) {
	const {columns, columnOf} = columnsOf(shards);
	const left = Math.max(0, columns.length - Math.max(1, Math.floor(width / COLUMN)));
	const childAt = new Map();
	for (const shard of shards) {
		if (shard.parent)
			childAt.set(shard.parent, Math.min(childAt.get(shard.parent) ?? Infinity, columnOf.get(shard.id)));
	}
	const boxes = [];
	for (const shard of shards) {
		const begin = columnOf.get(shard.id);
		let end = childAt.get(shard.id) ?? columns.length;
		// closed without a child: the stream was disabled
		while (!shard.open && !childAt.has(shard.id) && end > begin + 1 && columns[end - 1].first > Date.parse(shard.ended)) end--;
		if (end > left) boxes.push({shard, begin: Math.max(begin - left, 0), end: end - left});
	}
	return {columns: columns.slice(left), boxes, left};
}

export function makeLineage(choose) {
	const svg = draw('svg', {class: 'lineage', role: 'img'});
	const note = make('p', {class: 'faint'});
	const key = make('ul', {class: 'key', 'aria-hidden': 'true'},
		[['closed', 'closed'], ['rate-0', 'open, quiet'], ['rate-1', ''], ['rate-2', ''], ['rate-3', 'open, the busiest of the stream']].map(([kind, text]) =>
			make('li', null, draw('svg', {class: 'lineage-key', viewBox: '0 0 10 10'}, draw('rect', {class: kind, width: 10, height: 10})), text)));
	const seen = new Set();
	let first = true;

	function show(shards, chosen) {
		const width = Math.max(svg.clientWidth || svg.parentElement?.clientWidth || 320, 200);
		const open = shards.filter((shard) => shard.open);
		const height = HEAD + Math.min(Math.max(open.length * 11, 120), 420);
		const {columns, boxes, left} = place(shards, width);
		const top = Math.max(...open.map((shard) => shard.rate ?? 0), 0);
		const step = width / columns.length;
		const format = {hour: '2-digit', minute: '2-digit', hourCycle: 'h23'};
		const parts = [];

		if (columns.at(-1).last - columns[0].first < 600000) format.second = '2-digit';

		columns.forEach((column, i) => {
			// a label needs room for itself
			const every = Math.ceil(66 / step);
			if (i % every === 0 && (i + every <= columns.length || i === 0))
				parts.push(draw('text', {class: 'time', x: (i * step + 3).toFixed(1), y: 13},
					new Date(column.first).toLocaleTimeString(undefined, format)));
		});
		for (const {shard, begin, end} of boxes) {
			const x = begin * step;
			const y = HEAD + shard.low * (height - HEAD);
			const w = (end - begin) * step;
			const h = (shard.high - shard.low) * (height - HEAD);
			const kinds = [shard.open ? level(shard.rate, top) : 'closed'];
			if (shard.id === chosen) kinds.push('chosen');
			if (!first && !seen.has(shard.id)) kinds.push('fresh');
			seen.add(shard.id);
			parts.push(draw('rect', {
				class: kinds.join(' '), x: x.toFixed(1), y: y.toFixed(2), width: w.toFixed(1),
				height: Math.max(h, 0.5).toFixed(2), 'data-shard': shard.id, onclick: () => choose(shard.id)},
			draw('title', null, shortShard(shard.id) + ', ' + share(shard) + ' of the hashes, ' +
				(shard.open ? 'open, ' + rate(shard.rate) : 'closed'))));
			if (shard.open && shard.rate > 0 && h >= 10.5 && w >= 50)
				parts.push(draw('text', {x: (x + 4).toFixed(1), y: (y + h / 2 + 4).toFixed(1)}, rate(shard.rate)));
		}
		first = false;
		svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
		svg.setAttribute('height', height);
		svg.setAttribute('aria-label', `Lineage: ${open.length} open and ${shards.length - open.length} closed shards. The table below has each of them.`);
		svg.replaceChildren(...parts);
		setText(note, left ? 'Older shards are left out of the picture.' : '');
		note.hidden = !left;
	}
	return {element: make('div', null, svg, key, note), show};
}

// The shards in the order of their lineage, each with the signs in front that
// shard_tree() draws, too.
export function treeOf(shards) {
	const known = new Map(shards.map((shard) => [shard.id, {shard, children: []}]));
	const roots = [];
	for (const node of known.values()) {
		const parent = known.get(node.shard.parent);
		if (parent) parent.children.push(node);
		else roots.push(node);
	}
	const byHash = (a, b) => a.shard.low - b.shard.low || (a.shard.id < b.shard.id ? -1 : 1);
	const rows = [];
	const waiting = roots.sort(byHash).reverse().map((node) => ({node, sign: '', below: ''}));
	while (waiting.length) {
		const {node, sign, below} = waiting.pop();
		rows.push({...node.shard, sign});
		const children = node.children.sort(byHash);
		if (children.length === 1)
			waiting.push({node: children[0], sign: below + '↓ ', below});
		else
			for (let i = children.length - 1; i >= 0; i--)
				waiting.push({node: children[i],
					sign: below + (i < children.length - 1 ? '├─ ' : '└─ '),
					below: below + (i < children.length - 1 ? '│  ' : '   ')});
	}
	return rows;
}
