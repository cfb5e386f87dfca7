/*
 * request_queue.h
 *	  Requests that wait, and the threads that work on them.
 */
#ifndef DDBSTREAMS_REQUEST_QUEUE_H
#define DDBSTREAMS_REQUEST_QUEUE_H

#include "gateway/http_request.h"

/*
 * Gives a request, which is complete, to the worker threads.  When it has its
 * answer, done is called with it, in any thread; from then on the queue knows
 * nothing of it.
 */
extern void request_queue_submit(Request *request);

/* Sets what is called with an answered request; before the first request. */
extern void request_queue_init(void (*done)(Request *request));

/* Answers requests that have waited too long; to be called every second. */
extern void request_queue_tick(void);

#endif /* DDBSTREAMS_REQUEST_QUEUE_H */
