/*
 * gateway_main.c
 *	  ddbstreams-gateway: AWS's wire protocols in front of PostgreSQL.
 *
 * The main thread starts the others, and then handles signals and what has to
 * be done every second.  README explains the threads.
 */
#include <malloc.h>
#include <signal.h>
#include <stddef.h>
#include <sys/resource.h>

#include "gateway/database_pool.h"
#include "gateway/gateway_keys.h"
#include "gateway/gateway_log.h"
#include "gateway/gateway_options.h"
#include "gateway/http_server.h"
#include "gateway/perform.h"
#include "gateway/request_queue.h"

/*
 * Memory of this size or more goes back to the system when it is freed.  A
 * page of records is smaller: getting its memory from the system each time,
 * zeroed, would take a fifth of the time that it costs here.  What malloc
 * keeps, also in pieces between others, is given back every second.
 */
#define LARGE_MEMORY (4 * 1024 * 1024)

/* Blocks the signals that the main thread waits for, in all threads. */
static void
block_signals(sigset_t *signals)
{
	sigemptyset(signals);
	sigaddset(signals, SIGHUP);
	sigaddset(signals, SIGINT);
	sigaddset(signals, SIGTERM);
	pthread_sigmask(SIG_BLOCK, signals, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* Allows as many descriptors as the system lets us have. */
static void
raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < (rlim_t) gateway_options.clients + 100)
		gateway_log("only %lu file descriptors are allowed: not all of %d clients can connect",
					(unsigned long) limit.rlim_cur, gateway_options.clients);
}

static void
reload_keys(void)
{
	if (gateway_options.keys_file == NULL)
		return;
	if (keys_load(gateway_options.keys_file))
		gateway_log("%s was read again", gateway_options.keys_file);
	else
		gateway_log("the keys that were read before stay in use");
}

/* Handles signals until one of them ends the program. */
static void
serve(const sigset_t *signals)
{
	for (;;)
	{
		struct timespec second = {1, 0};
		int				signal = sigtimedwait(signals, NULL, &second);

		if (signal == SIGHUP)
			reload_keys();
		else if (signal == SIGTERM || signal == SIGINT)
			return;
		request_queue_tick();
		http_server_tick();
		database_pool_reap();
		malloc_trim(0);
	}
}

int
main(int argc, char **argv)
{
	sigset_t signals;

	options_parse(argc, argv);
	mallopt(M_ARENA_MAX, 2);
	mallopt(M_MMAP_THRESHOLD, LARGE_MEMORY);
	mallopt(M_TRIM_THRESHOLD, LARGE_MEMORY);
	block_signals(&signals);
	if (!perform_init() ||
		(gateway_options.keys_file != NULL && !keys_load(gateway_options.keys_file)))
		return 1;
	if (gateway_options.check)
		return perform_check_database() ? 0 : 1;
	raise_descriptor_limit();
	if (!http_server_start())
		return 1;
	serve(&signals);
	gateway_log("ending");
	http_server_stop();
	database_pool_close_idle();
	return 0;
}
