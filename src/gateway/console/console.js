// The console: signing in, going from view to view, asking again and again.

import {Failure, get, isSignedIn, signIn, signOut} from './client.js';
import {make, setText} from './dom.js';
import {consumersView, failedView, mappingsView, streamView, streamsView, workersView} from './views.js';

const views = {
	streams: [streamsView, 'Streams'],
	stream: [streamView, 'Stream'],
	mappings: [mappingsView, 'Mappings'],
	consumers: [consumersView, 'Consumers'],
	failed: [failedView, 'Failed batches'],
	workers: [workersView, 'Workers'],
};

const main = document.getElementById('main');
const status = document.getElementById('status');
const nav = document.getElementById('nav');
const pause = document.getElementById('pause');
const leave = document.getElementById('sign-out');
const where = document.getElementById('where');

let present = null; // the view that is shown: {view, abort, timer, failures}
let isPaused = false;

// --- asking for confirmation ------------------------------------------------

function ask(title, text, yes) {
	const dialog = document.getElementById('ask');
	const before = document.activeElement;
	setText(document.getElementById('ask-title'), title);
	setText(document.getElementById('ask-text'), text);
	setText(document.getElementById('ask-yes'), yes);
	dialog.returnValue = '';
	dialog.showModal();
	document.getElementById('ask-no').focus();
	return new Promise((resolve) => dialog.addEventListener('close', () => {
		before?.focus();
		resolve(dialog.returnValue === 'yes');
	}, {once: true}));
}
document.getElementById('ask-no').addEventListener('click', () => document.getElementById('ask').close('no'));
document.getElementById('ask-yes').addEventListener('click', () => document.getElementById('ask').close('yes'));

// --- looking again and again ------------------------------------------------

function stop() {
	clearTimeout(present?.timer);
	present?.abort.abort();
}

function showFailure(error, shown) {
	const parts = [error.message, error.detail, error.hint].filter(Boolean).join(' ');
	if (error.status === 401) {
		showSignIn(isSignedIn() ? parts : '');
		return;
	}
	if (shown.looked) setText(status, parts + ' Trying again.');
	else {
		shown.problem?.remove();
		shown.problem = make('p', {class: 'notice bad', role: 'alert'}, parts);
		main.append(shown.problem);
	}
}

async function look(shown) {
	clearTimeout(shown.timer);
	if (shown.isBusy) {
		shown.isWanted = true;
		return;
	}
	shown.isBusy = true;
	shown.isWanted = false;
	try {
		await shown.view.look(shown.abort.signal);
		if (shown !== present) return;
		shown.looked = true;
		shown.failures = 0;
		shown.problem?.remove();
		setText(status, '');
	} catch (error) {
		if (shown !== present || shown.abort.signal.aborted) return;
		if (!(error instanceof Failure)) throw error;
		shown.failures++;
		showFailure(error, shown);
		if (error.status === 401) return;
	} finally {
		shown.isBusy = false;
	}
	if (shown.isWanted) look(shown);
	else if (!isPaused && !document.hidden)
		shown.timer = setTimeout(() => look(shown), shown.view.every * 1000 * Math.min(2 ** shown.failures, 16));
}

// The name of the view that the address asks for, and what follows it
function address() {
	try {
		const [name, ...rest] = location.hash.replace(/^#\/?/, '').split('/').map(decodeURIComponent);
		if (Object.hasOwn(views, name)) return [name, rest];
	} catch {
		// it is not percent-encoded correctly
	}
	return ['streams', []];
}

function show() {
	const [name, rest] = address();
	const [makeView, title] = views[name];

	stop();
	main.replaceChildren();
	setText(status, '');
	document.title = title + ' – ddbstreams';
	for (const link of nav.children) {
		const target = link.getAttribute('href').slice(2);
		if (target === name || (target === 'streams' && name === 'stream')) link.setAttribute('aria-current', 'page');
		else link.removeAttribute('aria-current');
	}
	const shown = {view: null, abort: new AbortController(), timer: null, failures: 0, looked: false, problem: null, isBusy: false, isWanted: false};
	present = shown;
	shown.view = makeView(main, rest, () => shown === present && look(shown), ask);
	look(shown);
}

addEventListener('hashchange', () => {
	if (nav.hidden) return;
	show();
	main.focus();
	scrollTo(0, 0);
});
document.querySelector('.skip').addEventListener('click', (event) => {
	event.preventDefault();
	main.focus();
});
document.addEventListener('visibilitychange', () => present && !nav.hidden && !isPaused && !document.hidden && look(present));
pause.addEventListener('click', () => {
	isPaused = !isPaused;
	pause.setAttribute('aria-pressed', String(isPaused));
	if (isPaused) clearTimeout(present?.timer);
	else look(present);
});

// --- signing in -------------------------------------------------------------

function showSignIn(problem) {
	stop();
	present = null;
	nav.hidden = pause.hidden = leave.hidden = true;
	setText(where, '');
	setText(status, '');
	document.title = 'Sign in – ddbstreams';
	const role = make('input', {id: 'role', autocomplete: 'username', autocapitalize: 'none', spellcheck: 'false', required: true});
	const password = make('input', {id: 'password', type: 'password', autocomplete: 'current-password', required: true});
	const button = make('button', {type: 'submit', class: 'primary'}, 'Sign in');
	const say = make('p', {class: 'error-text', role: 'alert'}, problem);
	const form = make('form', {class: 'sign-in card', onsubmit: async (event) => {
		event.preventDefault();
		button.disabled = true;
		setText(say, '');
		signIn(role.value, password.value);
		try {
			await start();
		} catch (error) {
			signOut();
			setText(say, [error.message, error.detail, error.hint].filter(Boolean).join(' '));
			button.disabled = false;
			password.focus();
			password.select();
		}
	}}, make('h1', null, 'Sign in'), make('p', null, 'As a role of PostgreSQL. You see what it may see.'),
	make('label', {for: 'role'}, 'Role'), role, make('label', {for: 'password'}, 'Password'), password, button, say);
	main.replaceChildren(form);
	role.focus();
}

leave.addEventListener('click', () => {
	signOut();
	showSignIn('');
});

async function start() {
	const me = await get('whoami');
	nav.hidden = pause.hidden = false;
	leave.hidden = !isSignedIn();
	setText(where, `${me.role} in database ${me.database}, PostgreSQL ${me.server_version}${me.standby ? ', a standby' : ''}`);
	if (!me.extension) {
		nav.hidden = pause.hidden = true;
		main.replaceChildren(make('p', {class: 'notice'}, `Database ${me.database} does not have the extension yet.`, make('code', null, 'create extension ddbstreams;')));
		return;
	}
	show();
}

try {
	await start();
} catch (error) {
	if (error.status === 401) showSignIn('');
	else {
		main.replaceChildren(make('p', {class: 'notice bad', role: 'alert'}, [error.message, error.detail, error.hint].filter(Boolean).join(' ')),
			make('button', {type: 'button', onclick: () => location.reload()}, 'Try again'));
	}
}
