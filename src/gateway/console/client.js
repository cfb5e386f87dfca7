// What is asked of the gateway. The role and the password that a reader has typed
// are kept here, in memory, and sent with each request; the browser itself is given
// nothing to send.

const TIMEOUT = 30000;

let authorization = null;

export class Failure extends Error {
	constructor(status, problem) {
		super(problem.message);
		this.status = status;
		this.state = problem.sqlstate ?? null;
		this.hint = problem.hint ?? null;
		this.detail = problem.detail ?? null;
	}
}

export function signIn(role, password) {
	const bytes = new TextEncoder().encode(role + ':' + password);
	authorization = 'Basic ' + btoa(String.fromCharCode(...bytes));
}

export function signOut() {
	authorization = null;
}

export function isSignedIn() {
	return authorization !== null;
}

async function ask(path, options) {
	const headers = {'X-Ddbstreams-Console': '1', ...options.headers};
	if (authorization) headers.Authorization = authorization;
	let response;
	let answer;
	try {
		response = await fetch('/console/' + path, {
			...options, headers, credentials: 'omit', cache: 'no-store',
			signal: options.signal ? AbortSignal.any([options.signal, AbortSignal.timeout(TIMEOUT)]) :
				AbortSignal.timeout(TIMEOUT)});
		answer = await response.json();
	} catch (error) {
		if (options.signal?.aborted) throw error;
		if (error.name === 'TimeoutError') throw new Failure(0, {message: 'The gateway has not answered for 30 seconds.'});
		if (!response) throw new Failure(0, {message: 'The gateway cannot be reached.'});
		throw new Failure(response.status, {message: 'The gateway has sent an answer that is not JSON (status ' + response.status + ').'});
	}
	if (!response.ok) throw new Failure(response.status, answer.error ?? {message: 'The gateway answered with status ' + response.status + '.'});
	return answer;
}

// get('shards', {stream: arn})
export function get(name, parameters = {}, signal = undefined) {
	const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined));
	return ask('data/' + name + (query.size ? '?' + query : ''), {signal});
}

export function redrive(batch) {
	return ask('redrive', {
		method: 'POST',
		headers: {'Content-Type': 'application/json'},
		body: JSON.stringify({batch})});
}
