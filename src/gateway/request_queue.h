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

/*
 * For a caller that works on a request itself as long as nothing has to be
 * waited for.  request_queue_take_slot takes a slot of the request's pool, if
 * one is free; request_queue_free_slot gives it back when the answer is made.
 * request_queue_continue gives the request, whose signature is checked, to the
 * worker threads after all, with or without a slot, and request->database.
 */
extern bool request_queue_take_slot(Request *request);
extern void request_queue_free_slot(Request *request);
extern void request_queue_continue(Request *request);

/* Sets what is called with an answered request; before the first request. */
extern void request_queue_init(void (*done)(Request *request));

/* Answers requests that have waited too long; to be called every second. */
extern void request_queue_tick(void);

#endif /* DDBSTREAMS_REQUEST_QUEUE_H */
