/*
 * delivery_call.c
 *	  Calling a mapping's functions, with a time limit.
 *
 * A call is cancelled after ddbstreams.handler_timeout, as if by
 * pg_cancel_backend().  A function that catches the cancellation is cancelled
 * again every second, and its process is ended after MAX_CANCELS times: no SQL
 * function can catch that.  Only code in C that never checks for interrupts
 * goes on.
 *
 * What a function leaves for the commit is code of users, too: deferred
 * triggers, and the queries of cursors WITH HOLD.  It belongs to the call, so
 * that it cannot run without a limit, and with the mapping's row locked.  The
 * commit itself is not cancelled: it may wait for a standby.
 *
 * A cancellation may still be pending when the call has ended.  It must not
 * cancel what the worker does next, so that delivery_call_end takes it back.
 */
#include "postgres.h"

#include <signal.h>

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/portal.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "base/settings.h"
#include "delivery/call_verdict.h"
#include "delivery/delivery_call.h"
#include "delivery/delivery_process.h"
#include "mapping/mapping_function.h"
#include "typed_json/json_to_jsonb.h"
#include "worker/worker_end.h"

#define CANCEL_AGAIN_MS 1000
#define MAX_CANCELS		5

#define MAX_ERROR_LENGTH 1000

static TimeoutId			 handler_timeout = MAX_TIMEOUTS;
static volatile sig_atomic_t timed_out = false;
static volatile sig_atomic_t cancels = 0;
static bool					 is_finishing = false;

/* Runs in a signal handler. */
static void
cancel_call(void)
{
	timed_out = true;
	if (cancels++ >= MAX_CANCELS)
	{
		call_verdict_note_time_out();
		worker_end_order();
		return;
	}
	InterruptPending = true;
	QueryCancelPending = true;
	SetLatch(MyLatch);
}

void
delivery_call_init(void)
{
	handler_timeout = RegisterTimeout(USER_TIMEOUT, cancel_call);
	delivery_process_save();
}

Oid
delivery_call_find(const char *name, MappingFunctionUse use)
{
	Oid function = mapping_function_find(name);

	/* It may still tell of an earlier call. */
	timed_out = false;
	if (!OidIsValid(function))
		mapping_function_not_found(ERRCODE_UNDEFINED_FUNCTION);
	(void) mapping_function_check(function, use, GetUserId());
	return function;
}

/*
 * Does what the commit would do with what the function has left: runs deferred
 * triggers, as SET CONSTRAINTS ALL IMMEDIATE does.  Cursors are closed, which
 * nobody could read from after the commit.
 */
static void
finish_function(void)
{
	CommandCounterIncrement();
	is_finishing = true;
	AfterTriggerSetState(makeNode(ConstraintsSetStmt));
	is_finishing = false;
	PortalHashTableDeleteAll();
}

bool
delivery_call_has_done(Node *command)
{
	return is_finishing && IsA(command, ConstraintsSetStmt) &&
		   ((ConstraintsSetStmt *) command)->deferred;
}

Jsonb *
delivery_call(Oid function, Jsonb *argument)
{
	LOCAL_FCINFO(fcinfo, 1);
	FmgrInfo				 flinfo;
	PgStat_FunctionCallUsage usage;
	Datum					 result;
	bool					 returns_jsonb = get_func_rettype(function) == JSONBOID;

	fmgr_info(function, &flinfo);
	InitFunctionCallInfoData(*fcinfo, &flinfo, 1, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = JsonbPGetDatum(argument);
	fcinfo->args[0].isnull = false;

	timed_out = false;
	cancels = 0;
	if (setting_handler_timeout > 0)
		enable_timeout_every(handler_timeout,
							 TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
														 setting_handler_timeout),
							 CANCEL_AGAIN_MS);
	pgstat_init_function_usage(fcinfo, &usage);
	result = FunctionCallInvoke(fcinfo);
	pgstat_end_function_usage(&usage, true);
	finish_function();
	delivery_call_end();
	CommandCounterIncrement();

	if (fcinfo->isnull || !returns_jsonb)
		return NULL;
	return DatumGetJsonbP(result);
}

void
delivery_call_end(void)
{
	is_finishing = false;
	delivery_process_restore();
	disable_timeout(handler_timeout, false);
	if (timed_out)
		QueryCancelPending = false;
}

char *
delivery_call_error_text(const ErrorData *error)
{
	char *text;

	if (error->sqlerrcode == ERRCODE_QUERY_CANCELED && timed_out)
		return psprintf("the handler was cancelled after ddbstreams.handler_timeout, %d ms",
						setting_handler_timeout);
	text = pnstrdup(error->message, pg_mbcliplen(error->message, strlen(error->message),
												 MAX_ERROR_LENGTH));
	for (char *c = text; *c; c++)
	{
		if ((unsigned char) *c < ' ' || *c == 0x7f)
			*c = ' ';
	}
	return text;
}

Jsonb *
delivery_call_json(const char *text)
{
	return json_to_jsonb(text);
}
