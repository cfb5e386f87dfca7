/*
 * request_queue.c
 *	  Requests that wait, and the threads that work on them.
 *
 * A request is in one place at a time:
 *
 *	ready		a worker may take it; it is new, or it has a slot of its pool
 *	waiting		for a slot, in the list of its pool, first come first served
 *	sleeping	until it may try again
 *	(running)	a worker has it
 *
 * No worker is kept by a request that only waits, and one that has a slot
 * takes no worker from others: requests of one role cannot keep those of
 * another from being checked and answered.  Workers are started as they are
 * needed, and stay.
 *
 * One mutex guards all of it, and n_running, waiting_head and waiting_tail of
 * the pools.  It is not held while a worker works.
 */
#include <pthread.h>
#include <stddef.h>

#include "gateway/answer.h"
#include "gateway/gateway_clock.h"
#include "gateway/gateway_log.h"
#include "gateway/gateway_options.h"
#include "gateway/perform.h"
#include "gateway/request_queue.h"

/* How long a request waits for a slot or a worker, in milliseconds */
#define WAIT_TIME 5000

/* Workers besides one for each request that has a slot */
#define SPARE_WORKERS 64
#define STACK_SIZE	  (512 * 1024)

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t  wakeup; /* of idle workers */
static Request		  *ready_head;
static Request		  *ready_tail;
static Request		  *started_head; /* ready, too: the database works on them */
static Request		  *started_tail;
static Request		  *sleeping; /* in the order of wake_at */
static int			   n_slots;	 /* that requests have, of all pools */
static int			   n_workers;
static int			   n_idle_workers;
static void (*request_done)(Request *request);

static void
append_to(Request **head, Request **tail, Request *request)
{
	request->next = NULL;
	if (*head == NULL)
		*head = request;
	else
		(*tail)->next = request;
	*tail = request;
}

static Request *
take_first_request(Request **head)
{
	Request *request = *head;

	if (request != NULL)
		*head = request->next;
	return request;
}

static void
sleep_until_later(Request *request)
{
	Request **link = &sleeping;

	while (*link != NULL && (*link)->wake_at <= request->wake_at)
		link = &(*link)->next;
	request->next = *link;
	*link = request;
}

static void *worker_main(void *arg);

/* Starts a worker if one is needed; without one, those that run must do. */
static void
need_worker(void)
{
	pthread_attr_t attributes;
	pthread_t	   thread;

	if (n_idle_workers > 0)
	{
		pthread_cond_signal(&wakeup);
		return;
	}
	if (n_workers >= SPARE_WORKERS + n_slots)
		return;
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	if (pthread_create(&thread, &attributes, worker_main, NULL) == 0)
		n_workers++;
	else if (n_workers == 0)
		gateway_log("cannot start a thread");
	pthread_attr_destroy(&attributes);
}

/*
 * Lets a request be worked on.  A worker that does this looks for one next;
 * any other thread calls need_worker.
 */
static void
make_ready(Request *request)
{
	if (request->database != NULL)
		append_to(&started_head, &started_tail, request);
	else
		append_to(&ready_head, &ready_tail, request);
}

/* Wakes a worker if there is something to do. */
static void
need_worker_if_ready(void)
{
	if (ready_head != NULL || started_head != NULL)
		need_worker();
}

/* Gives a slot of its pool to a request, or lets it wait for one. */
static void
admit(Request *request)
{
	DatabasePool *pool = request->pool;

	if (pool->n_running < pool->limit)
	{
		pool->n_running++;
		n_slots++;
		request->has_slot = true;
		make_ready(request);
	}
	else
		append_to(&pool->waiting_head, &pool->waiting_tail, request);
}

/* Takes the slot of a request away, and gives it to the next one. */
static void
give_up_slot(Request *request)
{
	DatabasePool *pool = request->pool;
	Request		 *next = take_first_request(&pool->waiting_head);

	request->has_slot = false;
	if (next == NULL)
	{
		pool->n_running--;
		n_slots--;
	}
	else
	{
		next->has_slot = true;
		make_ready(next);
	}
}

/* Lets requests try again whose time has come. */
static void
wake_sleeping(long now)
{
	while (sleeping != NULL && sleeping->wake_at <= now)
	{
		Request *request = take_first_request(&sleeping);

		request->expires_at = now + WAIT_TIME;
		admit(request);
	}
}

/* Takes requests off a list that have waited too long, and links them. */
static void
take_expired(Request **head, long now, Request **expired)
{
	while (*head != NULL && (*head)->expires_at <= now)
	{
		Request *request = take_first_request(head);

		if (request->has_slot)
			give_up_slot(request);
		request->next = *expired;
		*expired = request;
	}
}

void
request_queue_tick(void)
{
	long	 now = clock_ms();
	Request *expired = NULL;

	pthread_mutex_lock(&mutex);
	wake_sleeping(now);
	take_expired(&ready_head, now, &expired);
	for (DatabasePool *pool = database_pool_first(); pool != NULL; pool = pool->next)
		take_expired(&pool->waiting_head, now, &expired);
	need_worker_if_ready();
	pthread_mutex_unlock(&mutex);
	while (expired != NULL)
	{
		Request *request = take_first_request(&expired);

		answer_error(request, "InternalServerError", NULL);
		request_done(request);
	}
}

/* Works on a request that is ready, without the mutex. */
static void
work_on(Request *request)
{
	PerformStep step;

	pthread_mutex_unlock(&mutex);
	if (request->database != NULL)
		step = perform_finish(request);
	else
		step = request->has_slot ? perform_run(request) : perform_check(request);
	pthread_mutex_lock(&mutex);
	if (request->has_slot)
		give_up_slot(request);
	switch (step)
	{
		case PERFORM_ANSWERED:
			pthread_mutex_unlock(&mutex);
			request_done(request);
			pthread_mutex_lock(&mutex);
			break;
		case PERFORM_WANTS_SLOT:
			admit(request);
			break;
		case PERFORM_RETRY_LATER:
			sleep_until_later(request);
			/* This worker may be busy when the time has come. */
			if (n_idle_workers > 0)
				pthread_cond_signal(&wakeup);
			break;
	}
}

/* Waits until there may be something to do. */
static void
wait_for_request(void)
{
	n_idle_workers++;
	if (sleeping != NULL)
	{
		struct timespec until = {sleeping->wake_at / 1000,
								 sleeping->wake_at % 1000 * 1000000L};

		pthread_cond_timedwait(&wakeup, &mutex, &until);
	}
	else
		pthread_cond_wait(&wakeup, &mutex);
	n_idle_workers--;
}

static void *
worker_main(void *arg)
{
	(void) arg;
	pthread_mutex_lock(&mutex);
	for (;;)
	{
		Request *request;

		wake_sleeping(clock_ms());
		request = take_first_request(started_head != NULL ? &started_head : &ready_head);
		if (request != NULL)
		{
			/* Two that became ready together may have woken one worker. */
			need_worker_if_ready();
			work_on(request);
		}
		else
			wait_for_request();
	}
	return NULL;
}

void
request_queue_submit(Request *request)
{
	pthread_mutex_lock(&mutex);
	request->expires_at = clock_ms() + WAIT_TIME;
	make_ready(request);
	need_worker();
	pthread_mutex_unlock(&mutex);
}

bool
request_queue_take_slot(Request *request)
{
	pthread_mutex_lock(&mutex);
	request->has_slot = request->pool->n_running < request->pool->limit;
	request->pool->n_running += request->has_slot;
	n_slots += request->has_slot;
	pthread_mutex_unlock(&mutex);
	return request->has_slot;
}

void
request_queue_free_slot(Request *request)
{
	pthread_mutex_lock(&mutex);
	give_up_slot(request);
	need_worker_if_ready();
	pthread_mutex_unlock(&mutex);
}

void
request_queue_continue(Request *request)
{
	pthread_mutex_lock(&mutex);
	request->expires_at = clock_ms() + WAIT_TIME;
	if (request->has_slot)
		make_ready(request);
	else
		admit(request);
	need_worker_if_ready();
	pthread_mutex_unlock(&mutex);
}

void
request_queue_init(void (*done)(Request *request))
{
	pthread_condattr_t attributes;

	request_done = done;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&wakeup, &attributes);
	pthread_condattr_destroy(&attributes);
}
