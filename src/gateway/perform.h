/*
 * perform.h
 *	  The work that a request is: its signature, its statement, its answer.
 */
#ifndef DDBSTREAMS_PERFORM_H
#define DDBSTREAMS_PERFORM_H

#include "gateway/http_request.h"

typedef enum PerformStep
{
	PERFORM_ANSWERED,	/* the request has its answer */
	PERFORM_WANTS_SLOT, /* it needs a connection of request->pool */
	PERFORM_RETRY_LATER /* the same, at request->wake_at */
} PerformStep;

/*
 * Finds the pools of conninfo's user and of the metrics role; false, and logs,
 * if conninfo is wrong.
 */
extern bool perform_init(void);

/*
 * Finds out what a request asks for, and for which role.  Worker threads call
 * it; it waits for a server in the case of /healthz and the console.
 */
extern PerformStep perform_check(Request *request);

/* Does it, by a connection of request->pool. */
extern PerformStep perform_run(Request *request);

/*
 * The same in pieces, for a caller that must not wait.  perform_check does not
 * wait for a server if perform_is_quick.  perform_start sends the statement by
 * a connection that is ready, if there is one: request->database.  Then
 * perform_finish waits for the result and makes the answer; if
 * database_has_rows it waits for nothing.
 */
extern bool		   perform_is_quick(const Request *request);
extern bool		   perform_start(Request *request);
extern PerformStep perform_finish(Request *request);

/* Connects for each role, and says what is wrong: --check. */
extern bool perform_check_database(void);

#endif /* DDBSTREAMS_PERFORM_H */
