/*
 * worker_end.c
 *	  How a worker's process is ended, and by which process.
 *
 * SIGTERM ends a worker as soon as it checks for interrupts.  It comes from
 *
 *	worker_slots_terminate, which has set a mark in the worker's slot before;
 *	the postmaster, when the server is shut down;
 *	pg_terminate_backend, which an administrator may have called, or a handler
 *	for its own process.
 *
 * The first two are no failures, and nothing is logged: neither the FATAL
 * error nor, by the postmaster, an exit code other than 0.  The kernel tells
 * which process has sent the signal (siginfo_t).
 */
#include "postgres.h"

#include <signal.h>
#include <unistd.h>

#include "miscadmin.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"

#include "base/compat.h"
#include "worker/worker_end.h"
#include "worker/worker_shared.h"

static volatile sig_atomic_t sent_by_postmaster = false;
static volatile sig_atomic_t sent_by_other = false;
static volatile sig_atomic_t ordered_here = false;

static void (*report_error)(int sqlstate, const char *error) = NULL;
static void (*quit_function)(void) = NULL;
static int				  fatal_sqlstate = 0;
static char				 *last_error = NULL; /* an ERROR that was logged */
static int				  last_sqlstate = 0; /* its SQLSTATE */
static bool				  ends_silently = false;
static emit_log_hook_type next_emit_log_hook = NULL;

/* The signal handler of SIGTERM */
static void
handle_terminate(int signal_number, siginfo_t *info, void *context)
{
	int save_errno = errno;

	/* A child that a handler has forked is no worker. */
	if (MyProcPid != (int) getpid())
	{
		pqsignal(signal_number, PG_SIG_DFL);
		raise(signal_number);
		return;
	}
	if (info->si_pid == PostmasterPid)
		sent_by_postmaster = true;
	if (info->si_pid != MyProcPid)
		sent_by_other = true;
	compat_die(signal_number, info);
	errno = save_errno;
}

/* The signal handler of SIGQUIT */
static void
handle_quit(int signal_number)
{
	if (quit_function && MyProcPid == (int) getpid())
		quit_function();
	compat_crash_exit(signal_number);
}

bool
worker_end_is_ordered(void)
{
	return sent_by_postmaster || ordered_here || worker_shared_my_slot->quits;
}

void
worker_end_order(void)
{
	ordered_here = true;
	InterruptPending = true;
	ProcDiePending = true;
	SetLatch(MyLatch);
}

bool
worker_end_is_from_outside(void)
{
	return sent_by_other;
}

int
worker_end_fatal_sqlstate(void)
{
	return fatal_sqlstate;
}

void
worker_end_set_quit_function(void (*function)(void))
{
	quit_function = function;
}

/*
 * The error that ends a worker is shown in the view.  It is a FATAL one, or an
 * ERROR that nothing has caught: that is the last one before the process ends.
 */
static void
emit_worker_log(ErrorData *edata)
{
	if (edata->elevel == FATAL && worker_shared_my_slot != NULL)
	{
		fatal_sqlstate = edata->sqlerrcode;
		if (edata->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN && worker_end_is_ordered())
		{
			ends_silently = true;
			edata->output_to_server = false;
		}
		else if (edata->message != NULL)
			report_error(edata->sqlerrcode, edata->message);
		free(last_error);
		last_error = NULL;
	}
	else if (edata->elevel == ERROR && edata->message != NULL)
	{
		free(last_error);
		last_error = strdup(edata->message);
		last_sqlstate = edata->sqlerrcode;
	}
	if (next_emit_log_hook && edata->output_to_server)
		next_emit_log_hook(edata);
}

/*
 * Called when the process ends.  After a FATAL error the exit code is 1, which
 * the postmaster would log.  proc_exit can be called again by a function that
 * it has called; it goes on with the next one then.
 */
static void
at_exit(int code, Datum arg)
{
	if (code != 0 && ends_silently)
		proc_exit(0);
	if (code != 0 && last_error != NULL)
		report_error(last_sqlstate, last_error);
}

void
worker_end_init(void (*error_function)(int sqlstate, const char *error))
{
	struct sigaction action = {0};

	report_error = error_function;
	next_emit_log_hook = emit_log_hook;
	emit_log_hook = emit_worker_log;
	before_shmem_exit(at_exit, 0);
	/* pqsignal() passes no siginfo_t, and lets others replace what it sets. */
	action.sa_sigaction = handle_terminate;
	action.sa_flags = SA_SIGINFO | SA_RESTART;
	sigemptyset(&action.sa_mask);
	if (sigaction(SIGTERM, &action, NULL) != 0)
		elog(ERROR, "could not set a signal handler: %m");
	action.sa_handler = handle_quit;
	action.sa_flags = SA_RESTART;
	if (sigaction(SIGQUIT, &action, NULL) != 0)
		elog(ERROR, "could not set a signal handler: %m");
}
