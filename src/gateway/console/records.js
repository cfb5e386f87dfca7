// Records, and what has changed in each.

import {badge, bytes, count, keep, make, shortShard, time} from './dom.js';

const LONGEST = 2000;

const typeNames = {S: 'text', N: 'number', B: 'binary', BOOL: 'boolean', NULL: '', L: 'list', M: 'map', SS: 'texts', NS: 'numbers', BS: 'binaries'};
const kinds = {INSERT: 'good', MODIFY: 'warn', REMOVE: 'bad'};

// Typed JSON without its types, for lists and maps.
function plain(value) {
	const [[type, inside]] = Object.entries(value);
	if (type === 'L') return inside.map(plain);
	if (type === 'M') return Object.fromEntries(Object.entries(inside).map(([name, part]) => [name, plain(part)]));
	return type === 'NULL' ? null : inside;
}

function cut(text) {
	return text.length <= LONGEST ? text : text.slice(0, LONGEST) + ' … (' + count(text.length) + ' characters)';
}

function textOf(value) {
	const [[type, inside]] = Object.entries(value);
	if (type === 'NULL') return 'null';
	if (typeof inside === 'string') return inside;
	if (type === 'BOOL') return String(inside);
	return JSON.stringify(plain(value));
}

function show(value) {
	if (value === undefined) return [];
	const type = typeNames[Object.keys(value)[0]] ?? '';
	return [type ? make('span', {class: 'type'}, type) : null, make('span', null, cut(textOf(value)))].filter(Boolean);
}

// A column may be named "constructor": only an image's own properties count.
function member(image, name) {
	return image && Object.hasOwn(image, name) ? image[name] : undefined;
}

// The attributes of both images, and what has become of each.
export function compare(record) {
	const names = new Set([...Object.keys(record.keys ?? {}), ...Object.keys(record.old ?? {}), ...Object.keys(record.new ?? {})]);
	return [...names].map((name) => {
		const before = member(record.old, name);
		const after = member(record.new, name);
		let mark = '';
		if (record.old && record.new) {
			if (before === undefined) mark = 'added';
			else if (after === undefined) mark = 'gone';
			else if (JSON.stringify(before) !== JSON.stringify(after)) mark = 'changed';
		}
		return {name, before, after, mark, isKey: member(record.keys, name) !== undefined};
	});
}

function summaryOf(record) {
	if (!record.keys) return 'too large to show here: ' + bytes(record.size);
	if (record.event === 'INSERT') return 'a new row';
	if (record.event === 'REMOVE') return 'the row is gone';
	const changed = compare(record).filter((attribute) => attribute.mark).map((attribute) => attribute.name);
	if (changed.length) return 'changed: ' + changed.join(', ');
	return record.old && record.new ? 'nothing that is shown' : 'changed; the view type has not both images';
}

function keysOf(record) {
	return record.keys ? Object.entries(record.keys).map(([name, value]) => name + ' = ' + cut(textOf(value))).join(', ') : '';
}

function inside(record) {
	const facts = make('dl', {class: 'facts'}, [
		['Shard', record.shard ? shortShard(record.shard) : null], ['Number', record.number], ['Transaction', record.transaction],
		['Size', bytes(record.size)], ['On behalf of', record.identity ? (record.identity.type ?? '') + ':' + (record.identity.principalId ?? '') : null],
	].filter(([, value]) => value).map(([name, value]) => make('div', null, make('dt', null, name), make('dd', {class: 'mono'}, String(value)))));
	if (!record.keys)
		return [facts, make('p', null, 'This record is larger than 64 kB. ddbstreams.get_records() reads it.')];
	const hasOld = record.old !== null && record.old !== undefined;
	const hasNew = record.new !== null && record.new !== undefined;
	const rows = compare(record).map(({name, before, after, mark, isKey}) =>
		make('tr', {class: mark ? 'changed' : null},
			make('th', {scope: 'row'}, name, mark || isKey ? make('span', {class: 'mark'}, [isKey ? 'key' : '', mark].filter(Boolean).join(', ')) : null),
			hasOld ? make('td', {class: 'old'}, show(before)) : null,
			hasNew ? make('td', {class: 'new'}, show(after)) : null,
			hasOld || hasNew ? null : make('td', null, show(record.keys[name]))));
	return [facts, make('table', {class: 'diff'},
		make('thead', null, make('tr', null, make('th', {scope: 'col'}, 'Attribute'),
			hasOld ? make('th', {scope: 'col'}, 'Before') : null,
			hasNew ? make('th', {scope: 'col'}, 'After') : null,
			hasOld || hasNew ? null : make('th', {scope: 'col'}, 'Key'))),
		make('tbody', null, rows))];
}

function create(record) {
	const details = make('details', null, make('summary', null,
		badge(record.event, kinds[record.event]), time(record.at),
		make('span', {class: 'keys mono'}, keysOf(record)),
		make('span', {class: 'what'}, summaryOf(record))));
	// what nobody opens is not drawn
	details.addEventListener('toggle', () => {
		if (details.open && details.children.length === 1)
			details.append(make('div', {class: 'inside'}, inside(record)));
	});
	return details;
}

export function makeRecords() {
	const element = make('div', {class: 'records'});
	return {
		element,
		// Records never change: those that are there stay as they are.
		show(records) {
			element.hidden = records.length === 0;
			keep(element, records, (record) => record.id ?? record.number, create);
		},
	};
}
