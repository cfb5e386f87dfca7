/*
 * handler_worker.c
 *	  The worker that runs handlers.
 *
 * It is connected as the role that made the mappings which it serves, as if
 * that role had logged in: with the role's settings for this database, and
 * with no other user behind it that a handler could become again by RESET ROLE
 * or RESET SESSION AUTHORIZATION.  It runs the unit that the dispatcher gives
 * it, step by step, until there is nothing more to do, or until its time slice
 * has passed while other units wait.  It keeps its session for the next unit.
 */
#include "postgres.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "portability/instr_time.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "delivery/call_verdict.h"
#include "delivery/delivery_call.h"
#include "delivery/delivery_parallel.h"
#include "delivery/delivery_process.h"
#include "delivery/delivery_redrive.h"
#include "delivery/delivery_run.h"
#include "delivery/delivery_session.h"
#include "delivery/handler_mailbox.h"
#include "delivery/handler_worker.h"
#include "worker/worker_end.h"
#include "worker/worker_slots.h"
#include "worker/worker_turns.h"

/*
 * After an error that is not a handler's the unit is left alone for so long.
 */
#define ERROR_BACKOFF_MS 2000

/* A process whose memory has grown beyond this is not used again. */
#define MAX_SESSION_BYTES ((Size) 256 * 1024 * 1024)

/* Runs one step.  An error that is not the handler's goes to the log. */
static DeliveryOutcome
run_step(const DeliveryUnit *unit, const DeliveryPassed *passed_before)
{
	MemoryContext			 context = CurrentMemoryContext;
	volatile DeliveryOutcome outcome = {0};

	handler_mailbox_begin_step();
	PG_TRY();
	{
		outcome = unit->lane == REDRIVE_LANE ? delivery_redrive_step(unit) :
											   delivery_run(unit, passed_before);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		EmitErrorReport();
		FlushErrorState();
		delivery_call_end();
		AbortCurrentTransaction();
		outcome.result = DELIVERY_BLOCKED;
		outcome.wake_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													  ERROR_BACKOFF_MS);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	return outcome;
}

/* Runs a unit, step by step, and reports how that has ended. */
static void
run_unit(const DeliveryUnit *unit, const DeliveryOutcome *before)
{
	DeliveryOutcome outcome = *before;

	do
	{
		worker_slots_check_interrupts();
		outcome = run_step(unit, &outcome.passed);
		/* A library may have a callback that the commit calls. */
		delivery_process_restore();
		delivery_session_clean(false);
		pgstat_report_stat(false);
	} while (outcome.result == DELIVERY_AGAIN && !delivery_process_is_spoilt() &&
			 handler_mailbox_may_go_on());

	worker_slots_set_last_run(GetCurrentTimestamp());
	handler_mailbox_report(&outcome);
}

/*
 * Has the process's memory grown too much?  To find that out takes the longer
 * the more relations and plans the process knows, so that it is not looked at
 * again until a hundred times as long has passed.
 */
static bool
memory_has_grown(void)
{
	static instr_time last;
	static int64	  took = 0; /* microseconds */
	instr_time		  now;
	instr_time		  since;
	Size			  allocated;

	INSTR_TIME_SET_CURRENT(now);
	since = now;
	INSTR_TIME_SUBTRACT(since, last);
	if ((int64) INSTR_TIME_GET_MICROSEC(since) < 100 * took)
		return false;
	allocated = MemoryContextMemAllocated(TopMemoryContext, true);
	INSTR_TIME_SET_CURRENT(last);
	since = last;
	INSTR_TIME_SUBTRACT(since, now);
	took = INSTR_TIME_GET_MICROSEC(since);
	return allocated > MAX_SESSION_BYTES;
}

/*
 * Keeps malloc from giving memory back to the kernel after each batch, which
 * takes some megabytes: getting the pages again would cost a third of the time
 * of a trivial handler.
 */
static void
keep_freed_memory(void)
{
#ifdef __GLIBC__
	(void) mallopt(M_MMAP_THRESHOLD, 32 * 1024 * 1024);
	(void) mallopt(M_TRIM_THRESHOLD, 64 * 1024 * 1024);
#endif
}

/*
 * Called when the process ends.  If it was not connected yet, that was refused
 * to the role, unless the process was told to end.
 */
static void
note_refusal(int code, Datum arg)
{
	if (code != 0 && !worker_end_is_ordered() && !worker_end_is_from_outside())
		handler_mailbox_failed();
}

void
handler_worker_main(Datum main_arg)
{
	DeliveryUnit	unit;
	DeliveryOutcome before;
	int64			last_mapping_no = 0;

	worker_slots_attach(main_arg);
	handler_mailbox_attach(*(const int *) worker_slots_extra());
	call_verdict_attach(*(const int *) worker_slots_extra());
	/* What PL/Python prints shall reach the log at once. */
	setenv("PYTHONUNBUFFERED", "1", 0);
	before_shmem_exit(note_refusal, 0);
	/* PostgreSQL would take the bootstrap superuser. */
	if (!OidIsValid(worker_slots_my_role()))
		elog(FATAL, "a handler worker without a role");
	BackgroundWorkerInitializeConnectionByOid(worker_slots_my_database(),
											  worker_slots_my_role(),
											  COMPAT_WORKER_AS_ANY_ROLE);
	worker_slots_fix_settings();
	handler_mailbox_connected();
	delivery_call_init();
	delivery_parallel_init();
	keep_freed_memory();

	for (;;)
	{
		if (!handler_mailbox_take(&unit, &before))
		{
			worker_slots_set_idle();
			pgstat_report_activity(STATE_IDLE, NULL);
			pgstat_report_stat(true);
			worker_slots_wait(-1);
			continue;
		}
		worker_slots_set_state("delivering");
		if (unit.mapping_no != last_mapping_no)
			delivery_session_clean(true);
		last_mapping_no = unit.mapping_no;
		run_unit(&unit, &before);
		if (memory_has_grown() || delivery_process_is_spoilt() ||
			worker_turns_give_way())
			proc_exit(0);
	}
}

void
handler_worker_init(void)
{
	worker_slots_register_type(WORKER_HANDLER, "handler", "handler_worker_main");
}
