// The views. Each is given the parts of its address and an element to fill, and
// returns what it asks for, again and again: {every: seconds, look(signal)}.

import {get, redrive} from './client.js';
import {makeChart, plain, remember, rising} from './chart.js';
import {badge, bytes, count, duration, keep, make, notice, rate, setText, shortShard, some, table, tableOf, time} from './dom.js';
import {makeLineage, treeOf} from './lineage.js';
import {makeRecords} from './records.js';

const PAGE = 50;

function streamLink(arn, text) {
	return make('a', {href: '#/stream/' + encodeURIComponent(arn)}, text ?? tableOf(arn));
}

function facts(pairs) {
	return make('dl', {class: 'facts'}, pairs.map(([name, value]) => make('div', null, make('dt', null, name), make('dd', null, value))));
}

function statusBadge(status) {
	return badge(status === 'ENABLED' ? 'enabled' : 'disabled', status === 'ENABLED' ? 'good' : null);
}

function button(text, action, properties) {
	return make('button', {type: 'button', class: 'small', onclick: action, ...properties}, text);
}

// Buttons to go through a long list, page by page
function pager(go) {
	const text = make('span', {class: 'faint'});
	const back = button('Back', () => go(-1));
	const on = button('Further', () => go(1));
	const element = make('p', {class: 'row'}, text, back, on);
	return {
		element,
		show(offset, shown, total) {
			element.hidden = total <= PAGE && offset === 0;
			setText(text, shown ? `${count(offset + 1)} to ${count(offset + shown)} of ${count(total)}` : `none of ${count(total)} from here on`);
			back.disabled = offset === 0;
			on.disabled = offset + shown >= total;
		},
	};
}

// --- streams ----------------------------------------------------------------

export function streamsView(main, _, again) {
	let search = '';
	let offset = 0;
	let waiting = null;
	let ratesAt = 0;
	const rates = new Map();
	const found = make('p', {class: 'faint', role: 'status'});
	const input = make('input', {type: 'search', id: 'search', class: 'search', placeholder: 'Part of a table’s name', autocomplete: 'off', oninput: () => {
		clearTimeout(waiting);
		waiting = setTimeout(() => {
			search = input.value.trim();
			offset = 0;
			ratesAt = 0;
			again();
		}, 250);
	}});
	const list = table('Streams', [{name: 'Table'}, {name: 'Status'}, {name: 'Images', less: true}, {name: 'Since', less: true}, {name: 'Kept for', number: true, less: true},
		{name: 'Shards', number: true}, {name: 'Records', number: true}, {name: 'Size', number: true}, {name: 'Records a second', number: true}]);
	const pages = pager((direction) => {
		offset = Math.max(0, offset + direction * PAGE);
		ratesAt = 0;
		again();
	});
	const empty = make('div');
	main.append(make('h1', null, 'Streams'), make('p', {class: 'row'}, make('label', {for: 'search'}, 'Search'), input), found, list.element, pages.element, empty);

	function show(answer) {
		setText(found, answer.total === answer.all ? some(answer.all, 'stream') : `${count(answer.total)} of ${some(answer.all, 'stream')}`);
		list.element.hidden = answer.total === 0;
		list.show(answer.items, (item) => item.arn, (item, row) => {
			const sums = rates.get(item.arn);
			const isNew = !row.dataset.filled;
			row.dataset.filled = 'yes';
			return [
				isNew ? streamLink(item.arn, item.table) : null,
				statusBadge(item.status),
				isNew ? item.view_type.toLowerCase().replaceAll('_', ' ') : null,
				isNew ? time(item.created) : null,
				duration(item.retention),
				sums ? count(sums.shards) : '…',
				sums ? count(sums.records) : '…',
				sums ? bytes(sums.bytes) : '…',
				sums ? rate(sums.rate) : '…'];
		});
		pages.show(offset, answer.items.length, answer.total);
		if (answer.all === 0) {
			if (!empty.children.length) empty.append(notice('There is no stream that this role may read. The owner of a table starts one:',
				"select ddbstreams.enable_stream('orders');"),
			notice('Reading a stream needs SELECT on its table:', 'grant select on orders to this_role;'));
		} else if (answer.total === 0) {
			empty.replaceChildren(notice('No stream has this in its name. Shorten what you search for.'));
		} else empty.replaceChildren();
	}

	return {every: 5, async look(signal) {
		const answer = await get('streams', {search, offset}, signal);
		show(answer);
		// sums cost more than names, so that they come later, ten by ten, and not as often
		if (Date.now() - ratesAt < 15000) return;
		const [askedFor, from] = [search, offset];
		for (let i = 0; i < answer.items.length; i += 10) {
			for (const item of (await get('rates', {search, offset: from + i}, signal)).items) rates.set(item.arn, item);
			if (askedFor !== search || from !== offset) return;
			show(answer);
		}
		ratesAt = Date.now();
	}};
}

// --- one stream -------------------------------------------------------------

export function streamView(main, [arn], again) {
	let chosen = null;
	let more = 40;
	let recordCount = 15;
	let openOnly = null;
	let last = null;
	const head = make('div');
	const empty = make('div');
	const lineage = makeLineage(choose);
	const filter = make('input', {type: 'checkbox', id: 'open-only', onchange: () => {
		openOnly = filter.checked;
		more = 40;
		show(last);
	}});
	const list = table('Shards', [{name: 'Shard'}, {name: 'State'}, {name: 'Hashes'}, {name: 'Records', number: true}, {name: 'Size', number: true},
		{name: 'Records a second', number: true}, {name: 'Opened'}, {name: 'Newest record'}, {name: 'Look inside'}]);
	const further = button('Show more shards', () => {
		more += 200;
		show(last);
	});
	const shardPart = make('section', {'aria-labelledby': 'shard-title', hidden: true});
	const newest = makeRecords();
	const moreRecords = button('Show 50', () => {
		recordCount = 50;
		again();
	});
	const noRecords = make('div');
	const readers = {mappings: mappingList('h3'), consumers: consumerList('h3')};
	const noReaders = make('div');
	main.append(make('h1', null, tableOf(arn)), head,
		make('h2', null, 'Shards'), lineage.element, shardPart,
		make('h2', null, 'Newest records'), noRecords, newest.element, make('p', null, moreRecords),
		make('h2', null, 'Who reads it'), noReaders, readers.mappings.element, readers.consumers.element,
		make('h2', null, 'Each shard'), make('p', null, filter, ' ', make('label', {for: 'open-only'}, 'Open shards only')),
		list.element, make('p', null, further), empty);

	function choose(id) {
		chosen = id;
		if (last) show(last);
		showShard();
	}

	// The records of one shard, from its beginning on, page by page
	async function showShard() {
		const id = chosen;
		const title = make('h3', {id: 'shard-title', tabindex: -1}, 'Shard ' + shortShard(id));
		const records = makeRecords();
		const say = make('p', {class: 'faint', role: 'status'}, 'Reading …');
		const next = button('Further', () => read(), {disabled: true});
		let iterator = null;
		shardPart.replaceChildren(title, say, records.element, make('p', {class: 'row'}, next, button('Close', () => {
			shardPart.hidden = true;
			chosen = null;
			show(last);
			list.element.querySelector(`[data-shard="${CSS.escape(id)}"]`)?.focus();
		})));
		shardPart.hidden = false;
		title.focus();

		async function read() {
			next.disabled = true;
			try {
				const answer = await get('shard_records', {stream: arn, shard: id, iterator});
				if (answer.items.length) records.show(answer.items);
				iterator = answer.next;
				setText(say, answer.items.length ? some(answer.items.length, 'record') + ', oldest first.' :
					iterator === null ? 'The shard is closed, and this was its end.' : 'Nothing more can be read now.');
				next.disabled = iterator === null;
			} catch (error) {
				next.disabled = false;
				setText(say, error.state === 'ZS003' ?
					'As many readers as may are reading this shard at this moment. The console does not wait in their way: try again.' :
					error.state === 'ZS001' || error.state === 'ZS002' ? 'This place has passed out of reach. Open the shard again.' : error.message);
			}
		}
		await read();
	}

	function show(answer) {
		if (!answer) return;
		last = answer;
		const open = answer.items.filter((shard) => shard.open);
		if (openOnly === null) {
			openOnly = answer.items.length > 40 && open.length > 0;
			filter.checked = openOnly;
		}
		const records = answer.items.reduce((sum, shard) => sum + (shard.records ?? 0), 0);
		const size = answer.items.reduce((sum, shard) => sum + (shard.bytes ?? 0), 0);
		const speed = open.reduce((sum, shard) => sum + (shard.rate ?? 0), 0);
		head.replaceChildren(
			facts([['Status', answer.stream ? statusBadge(answer.stream.status) : '–'],
				['Images', answer.stream?.view_type.toLowerCase().replaceAll('_', ' ') ?? '–'],
				['Kept for', duration(answer.stream?.retention)],
				['Shards', `${count(open.length)} open, ${count(answer.items.length - open.length)} closed`],
				['Records', count(records)], ['Size', bytes(size)], ['Now', rate(speed)]]),
			make('p', {class: 'mono faint'}, arn));
		lineage.show(answer.items, chosen);
		const rows = treeOf(answer.items).filter((shard) => shard.open || !openOnly);
		list.element.hidden = rows.length === 0;
		list.show(rows.slice(0, more), (shard) => shard.id, (shard, row) => {
			const isNew = !row.dataset.filled;
			row.dataset.filled = 'yes';
			row.classList.toggle('chosen', shard.id === chosen);
			return [
				[make('span', {class: 'mono'}, openOnly ? null : make('span', {class: 'tree', 'aria-hidden': 'true'}, shard.sign), shortShard(shard.id))],
				badge(shard.open ? 'open' : 'closed', shard.open ? 'good' : null),
				+(shard.low * 100).toPrecision(4) + ' to ' + +(shard.high * 100).toPrecision(4) + ' %',
				count(shard.records), bytes(shard.bytes), shard.open ? rate(shard.rate) : '',
				isNew ? time(shard.opened) : null, time(shard.newest),
				isNew ? button('Records', () => choose(shard.id), {'data-shard': shard.id, 'aria-label': 'Records of shard ' + shortShard(shard.id)}) : null];
		});
		further.parentElement.hidden = rows.length <= more;
		setText(further, `Show more shards (${count(rows.length - more)} are left)`);
		setText(empty, answer.total > answer.items.length ? `The stream has ${count(answer.total)} shards; this page shows the newest ${count(answer.items.length)}.` : '');
	}
	addEventListener('resize', () => main.contains(lineage.element) && show(last));

	return {every: 3, async look(signal) {
		const [shards, records, mappings, consumers] = await Promise.all([get('shards', {stream: arn}, signal),
			get('records', {stream: arn}, signal), get('mappings', {stream: arn}, signal), get('consumers', {stream: arn}, signal)]);
		show(shards);
		newest.show(records.items.slice(0, recordCount));
		moreRecords.parentElement.hidden = records.items.length <= recordCount;
		if (records.items.length === 0) {
			if (!noRecords.children.length) noRecords.append(notice('No record yet, or all have expired. Change a row of the table, and it appears here.'));
		} else noRecords.replaceChildren();
		readers.mappings.show(mappings.items);
		readers.consumers.show(consumers.items);
		if (mappings.items.length + consumers.items.length === 0) {
			if (!noReaders.children.length) noReaders.append(notice('No mapping and no consumer group that this role may see reads this stream. Readers that keep their own iterators are not known here.'));
		} else noReaders.replaceChildren();
	}};
}

// --- mappings ---------------------------------------------------------------

function stateBadge(state) {
	return badge(state ?? 'state unknown', state === 'Enabled' ? 'good' : state === 'Disabled' ? null : 'warn');
}

function errorLine(item) {
	return item.last_error ? make('p', null, 'Last error, ', time(item.last_error_at), ': ', make('span', {class: 'error-text'}, item.last_error)) : null;
}

// A part that can be opened, and that asks for its content while it is open
function detail(text, load) {
	const inside = make('div');
	const element = make('details', null, make('summary', null, text), inside);
	let shown = null;

	async function look() {
		try {
			const answer = await load();
			if (!shown) {
				shown = answer.make();
				inside.replaceChildren(shown.element);
			}
			answer.fill(shown);
		} catch (error) {
			shown = null;
			inside.replaceChildren(make('p', {class: 'error-text'}, error.message));
		}
	}
	element.addEventListener('toggle', () => element.open && look());
	return {element, look: () => element.open && look()};
}

function lanesOf(id) {
	return detail('Lanes', async () => {
		const answer = await get('mapping', {mapping: id});
		return {
			make: () => table('Lanes of the mapping', [{name: 'Shard'}, {name: 'Lane', number: true}, {name: 'State'}, {name: 'Lag'}, {name: 'Attempts', number: true},
				{name: 'Next attempt'}, {name: 'Worker', number: true}, {name: 'Last error'}]),
			fill: (list) => list.show(answer.items, (lane) => lane.shard + ' ' + lane.lane, (lane) => [
				make('span', {class: 'mono'}, lane.shard ? shortShard(lane.shard) : '–'), count(lane.lane), badge(lane.state, lane.state === 'retrying' ? 'bad' : null),
				some(lane.lag_records, 'record') + ', ' + duration(lane.lag_seconds), count(lane.attempts), lane.next_attempt ? time(lane.next_attempt) : '',
				lane.pid ? String(lane.pid) : '', lane.last_error ? make('span', {class: 'error-text'}, lane.last_error) : '']),
		};
	});
}

function mappingCard(item, level) {
	const title = make(level, {class: 'title'}, item.function);
	const line = make('p', {class: 'row'});
	const lag = makeChart('Lag');
	const speed = makeChart('Records delivered');
	const errors = makeChart('Attempts of the present batch', 'errors');
	const numbers = make('div');
	const error = make('div');
	const lanes = lanesOf(item.id);
	const element = make('li', {class: 'card'}, title, line, make('div', {class: 'charts'}, lag.element, speed.element, errors.element), numbers, error, lanes.element);
	return {element, show(now) {
		const history = remember('mapping ' + now.id, {lag: now.lag_seconds, delivered: now.delivered, attempts: now.attempts});
		line.replaceChildren(stateBadge(now.state), streamLink(now.arn), make('span', {class: 'mono faint'}, now.id));
		lag.show(plain(history, 'lag'), duration);
		speed.show(rising(history, 'delivered'), rate);
		errors.show(plain(history, 'attempts'), count);
		numbers.replaceChildren(facts([['Behind', some(now.lag_records, 'record')], ['Delivered', count(now.delivered)], ['Filtered', count(now.filtered)],
			['Lost to the retention', count(now.lost)], ['Batches given up', count(now.failed)], ['Lanes that retry', `${count(now.retrying)} of ${count(now.lanes)}`]]),
		...(now.result && now.result !== 'OK' && now.result !== 'No records processed' ? [make('p', null, now.result)] : []),
		...(now.failed_waiting ? [make('p', null, make('a', {href: '#/failed/' + now.id}, some(now.failed_waiting, 'failed batch', 'failed batches') + ' to look at'))] : []));
		error.replaceChildren(...[errorLine(now)].filter(Boolean));
		lanes.look();
	}};
}

function cardList(create) {
	const element = make('ul', {class: 'cards'});
	const cards = new WeakMap();
	return {
		element,
		show(items) {
			element.hidden = items.length === 0;
			keep(element, items, (item) => item.id + ' ' + item.arn, (item) => {
				const card = create(item);
				cards.set(card.element, card);
				return card.element;
			}, (child, item) => cards.get(child).show(item));
		},
	};
}

function mappingList(level) {
	return cardList((item) => mappingCard(item, level));
}

export function mappingsView(main) {
	const found = make('p', {class: 'faint', role: 'status'});
	const list = mappingList('h2');
	const empty = make('div');
	main.append(make('h1', null, 'Event source mappings'), found, list.element, empty);
	return {every: 5, async look(signal) {
		const answer = await get('mappings', {}, signal);
		setText(found, answer.total > answer.items.length ? `The ${answer.items.length} that lag most, of ${count(answer.total)}` : some(answer.total, 'mapping'));
		list.show(answer.items);
		if (answer.total === 0) {
			if (!empty.children.length) empty.append(notice('There is no mapping that this role may see. A mapping calls a function with each batch of records:',
				"select ddbstreams.create_event_source_mapping('my_handler', ddbstreams.latest_stream_arn('orders'), 'LATEST');"));
		} else empty.replaceChildren();
	}};
}

// --- consumers --------------------------------------------------------------

function leasesOf(name) {
	return detail('Leases', async () => {
		const answer = await get('leases', {consumer: name});
		return {
			make: () => table('Leases of consumer ' + name, [{name: 'Shard'}, {name: 'State'}, {name: 'Owner'}, {name: 'Lag'}, {name: 'Checkpoint'},
				{name: 'Expires'}, {name: 'Changes of owner', number: true}]),
			fill: (list) => list.show(answer.items, (lease) => lease.shard, (lease) => [
				make('span', {class: 'mono'}, shortShard(lease.shard)), badge(lease.state ?? 'unknown', lease.state === 'expired' ? 'warn' : null), lease.owner ?? '',
				lease.lag_records === null ? '' : some(lease.lag_records, 'record') + ', ' + duration(lease.lag_seconds),
				make('span', {class: 'mono'}, lease.checkpoint), lease.expires ? time(lease.expires) : '', count(lease.switches)]),
		};
	});
}

function consumerCard(item, level) {
	const line = make('p', {class: 'row'});
	const lag = makeChart('Lag');
	const behind = makeChart('Records behind');
	const errors = makeChart('Polls since the last checkpoint', 'errors');
	const numbers = make('div');
	const error = make('div');
	const leases = leasesOf(item.id);
	const element = make('li', {class: 'card'}, make(level, {class: 'title'}, item.id), line,
		make('div', {class: 'charts'}, lag.element, behind.element, errors.element), numbers, error, leases.element);
	return {element, show(now) {
		const history = remember('consumer ' + now.id, {lag: now.lag_seconds, behind: now.lag_records, attempts: now.attempts});
		line.replaceChildren(now.gone ? badge('its stream is gone', 'bad') : now.workers ? badge(some(now.workers, 'worker'), 'good') : badge('no worker', 'warn'), streamLink(now.arn));
		lag.show(plain(history, 'lag'), duration);
		behind.show(plain(history, 'behind'), count);
		errors.show(plain(history, 'attempts'), count);
		numbers.replaceChildren(facts([['Shards', count(now.shards)], ['Owned', count(now.owned)], ['Free', count(now.free)], ['Waiting for a parent', count(now.waiting)],
			['Finished', count(now.finished)], ['Lost to the retention', count(now.lost)]]));
		error.replaceChildren(...[errorLine(now)].filter(Boolean));
		leases.look();
	}};
}

function consumerList(level) {
	return cardList((item) => consumerCard(item, level));
}

export function consumersView(main) {
	const found = make('p', {class: 'faint', role: 'status'});
	const list = consumerList('h2');
	const empty = make('div');
	main.append(make('h1', null, 'Consumer groups'), found, list.element, empty);
	return {every: 5, async look(signal) {
		const answer = await get('consumers', {}, signal);
		setText(found, answer.total > answer.items.length ? `The ${answer.items.length} that lag most, of ${count(answer.total)}` : some(answer.total, 'consumer group'));
		list.show(answer.items);
		if (answer.total === 0) {
			if (!empty.children.length) empty.append(notice('There is no consumer group that this role may see. Programs share the shards of a stream in one:',
				"select ddbstreams.create_consumer('audit', ddbstreams.latest_stream_arn('orders'));"));
		} else empty.replaceChildren();
	}};
}

// --- failed batches ---------------------------------------------------------

function batchState(batch) {
	if (batch.redriven) return badge('redriven', 'good');
	if (batch.pending) return badge('waits to be delivered', 'warn');
	return badge('given up', 'bad');
}

function batchCard(item, ask, again) {
	const line = make('p', {class: 'row'});
	const why = make('div');
	const say = make('span', {role: 'status'});
	const again_ = button('Redrive', async () => {
		if (!await ask('Deliver this batch again?', `${some(item.records, 'record')} of ${tableOf(item.arn)} will be given to ${item.function ?? 'the function'} once more. ` +
			'Later changes of the same rows may have been delivered already.', 'Redrive')) return;
		again_.disabled = true;
		setText(say, 'Asking …');
		try {
			const answer = await redrive(item.id);
			setText(say, answer.batches === 1 ? 'The batch waits to be delivered; its state is shown here.' :
				'Nothing to do: it was delivered already, or its mapping or its records are gone.');
		} catch (error) {
			setText(say, 'Not redriven: ' + error.message);
			again_.disabled = false;
		}
		again();
	});
	const records = detail(item.records === null ? 'Why it failed' : `Why it failed, and its ${some(item.records, 'record')}`, async () => {
		const answer = await get('failed_batch', {batch: item.id});
		return {
			make: () => {
				const list = makeRecords();
				return {list, element: make('div', null,
					answer.total > answer.items.length ? make('p', {class: 'faint'}, `The first ${answer.items.length} of ${some(answer.total, 'record')}`) : null,
					list.element, make('pre', {class: 'mono'}, JSON.stringify(answer.failure, null, 2)))};
			},
			fill: (shown) => shown.list.show(answer.items),
		};
	});
	const element = make('li', {class: 'card'}, make('h2', {class: 'title'}, item.function ?? 'Mapping ' + item.mapping), line, why,
		make('p', {class: 'row'}, again_, say), records.element);
	return {element, show(now) {
		line.replaceChildren(batchState(now), streamLink(now.arn), make('span', null, some(now.records, 'record')), make('span', {class: 'faint'}, 'failed ', time(now.failed)),
			now.condition ? make('span', {class: 'mono'}, now.condition) : '');
		why.replaceChildren(...(now.last_error ? [make('p', null, 'The last redrive failed: ', make('span', {class: 'error-text'}, now.last_error))] : []));
		again_.hidden = Boolean(now.redriven);
		again_.disabled = now.pending || now.records === null;
		if (now.redriven) setText(say, 'Delivered.');
		else if (!now.pending && now.last_error && say.textContent.startsWith('The batch waits')) setText(say, 'It has failed again.');
	}};
}

export function failedView(main, [mapping], again, ask) {
	let offset = 0;
	const found = make('p', {class: 'faint', role: 'status'});
	const list = cardList((item) => batchCard(item, ask, again));
	const pages = pager((direction) => {
		offset = Math.max(0, offset + direction * PAGE);
		again();
	});
	const empty = make('div');
	main.append(make('h1', null, 'Failed batches'), mapping ? make('p', null, 'Of mapping ', make('span', {class: 'mono'}, mapping), '. ', make('a', {href: '#/failed'}, 'Show all')) : '',
		found, list.element, pages.element, empty);
	return {every: 4, async look(signal) {
		const answer = await get('failed', {mapping, offset}, signal);
		setText(found, some(answer.total, 'batch', 'batches'));
		list.show(answer.items);
		pages.show(offset, answer.items.length, answer.total);
		if (answer.total === 0) {
			if (!empty.children.length) empty.append(notice('No batch has been given up. One appears here when a mapping has failed with it as often as its retries allow, or when it has grown too old.'));
		} else empty.replaceChildren();
	}};
}

// --- workers ----------------------------------------------------------------

export function workersView(main) {
	const list = table('Background workers', [{name: 'Worker'}, {name: 'Database'}, {name: 'State'}, {name: 'Process', number: true}, {name: 'Last run'}, {name: 'Last error'}]);
	const empty = make('div');
	main.append(make('h1', null, 'Background workers'), make('p', {class: 'faint'}, 'Members of pg_monitor see the workers of all databases and their errors; others see those of this database.'), list.element, empty);
	return {every: 5, async look(signal) {
		const answer = await get('workers', {}, signal);
		list.element.hidden = answer.items.length === 0;
		list.show(answer.items.map((worker, i) => ({...worker, i})), (worker) => [worker.database, worker.type, worker.pid ?? worker.i].join(' '), (worker) => [
			worker.type, worker.database ?? '', worker.state, worker.pid ? String(worker.pid) : '', worker.last_run ? time(worker.last_run) : '',
			worker.last_error ? make('span', {class: 'error-text'}, worker.last_error) : '']);
		if (answer.items.length === 0) {
			if (!empty.children.length) empty.append(notice('No worker runs: on a standby there are none, and elsewhere shared_preload_libraries must have ddbstreams, and ddbstreams.max_workers must not be 0.'));
		} else empty.replaceChildren();
	}};
}
