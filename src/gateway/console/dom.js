// Making and changing elements, and writing values for readers.
//
// Data becomes text nodes and attributes, never markup.

const SVG = 'http://www.w3.org/2000/svg';

function fill(element, properties, children) {
	for (const [name, value] of Object.entries(properties ?? {})) {
		if (value === null || value === undefined || value === false) continue;
		if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
		else element.setAttribute(name, value === true ? '' : value);
	}
	element.append(...children.flat().filter((child) => child !== null && child !== undefined));
	return element;
}

// make('p', {class: 'faint'}, 'text', anotherElement)
export function make(name, properties, ...children) {
	return fill(document.createElement(name), properties, children);
}

export function draw(name, properties, ...children) {
	return fill(document.createElementNS(SVG, name), properties, children);
}

// Sets a text if it is another one, so that a screen reader has no reason to
// read it again, and a selection stays.
export function setText(element, text) {
	if (element.textContent !== text) element.textContent = text;
}

// Makes the children of parent those of items, in their order. An item whose key
// was there keeps its element, and with it focus and what a reader has opened.
export function keep(parent, items, key, create, update) {
	const before = new Map();
	for (const child of parent.children) before.set(child.dataset.key, child);
	let place = parent.firstElementChild;
	for (const item of items) {
		const name = key(item);
		let child = before.get(name);
		if (child) {
			before.delete(name);
		} else {
			child = create(item);
			child.dataset.key = name;
		}
		update?.(child, item);
		if (child === place) place = place.nextElementSibling;
		else parent.insertBefore(child, place);
	}
	for (const child of before.values()) child.remove();
}

// A table that is a list of cards on a narrow screen. Roles are written out: there
// its rows are no longer displayed as a table's. A column is {name}, with number if
// it holds numbers, and with less if a card can do without it.
export function table(caption, columns) {
	const body = make('tbody', {role: 'rowgroup'});
	const head = columns.map((column) => make('th', {
		role: 'columnheader', scope: 'col', class: column.number ? 'number' : null}, column.name));
	const element = make('div', {class: 'boxed'}, make('table', {class: 'wide', role: 'table', 'aria-label': caption},
		make('thead', {role: 'rowgroup'}, make('tr', {role: 'row'}, head)), body));
	return {
		element,
		// cells: for each row a list of texts and elements, or null to leave one as it is
		show(items, key, cells) {
			keep(body, items, key, () => make('tr', {role: 'row'}, columns.map((column) => make('td', {
				role: 'cell', class: [column.number ? 'number' : '', column.less ? 'less' : ''].join(' ').trim() || null, 'data-label': column.name}))),
			(row, item) => cells(item, row).forEach((content, i) => {
				if (content === null) return;
				if (typeof content === 'string') setText(row.children[i], content);
				else row.children[i].replaceChildren(...[content].flat());
			}));
		},
	};
}

export function notice(text, code) {
	return make('p', {class: 'notice'}, text, code ? make('code', null, code) : null);
}

const whole = new Intl.NumberFormat();
const short = new Intl.NumberFormat(undefined, {maximumFractionDigits: 1});

export function count(value) {
	return value === null || value === undefined ? '–' : whole.format(value);
}

export function some(value, singular, plural = singular + 's') {
	return count(value) + ' ' + (Number(value) === 1 ? singular : plural);
}

export function rate(value) {
	if (value === null || value === undefined) return '–';
	return (value > 0 && value < 0.1 ? '< 0.1' : short.format(value)) + '/s';
}

export function bytes(value) {
	if (value === null || value === undefined) return '–';
	const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];
	let unit = 0;
	let left = Number(value);
	while (left >= 1024 && unit < units.length - 1) {
		left /= 1024;
		unit++;
	}
	return short.format(left) + ' ' + units[unit];
}

export function duration(seconds) {
	if (seconds === null || seconds === undefined) return '–';
	for (const [unit, length] of [['d', 86400], ['h', 3600], ['min', 60]]) {
		if (seconds >= 2 * length) return short.format(seconds / length) + ' ' + unit;
	}
	return short.format(seconds) + ' s';
}

const parts = {month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23'};
const thisYear = new Intl.DateTimeFormat(undefined, parts);
const anyYear = new Intl.DateTimeFormat(undefined, {year: 'numeric', ...parts});

// A time in the reader's zone; its title has it in UTC.
export function time(text) {
	if (!text) return make('span', null, '–');
	const date = new Date(text);
	if (Number.isNaN(date.getTime())) return make('span', null, text);
	return make('time', {datetime: text, title: date.toISOString().replace('T', ' ').replace('Z', ' UTC')},
		(date.getFullYear() === new Date().getFullYear() ? thisYear : anyYear).format(date));
}

export function badge(text, kind) {
	return make('span', {class: 'badge' + (kind ? ' ' + kind : '')}, text);
}

// The end of a shard id tells shards of one moment apart.
export function shortShard(id) {
	return id.replace(/^shardId-0*/, '');
}

export function tableOf(arn) {
	return arn?.split(':table/')[1]?.split('/stream/')[0] ?? arn ?? '–';
}
