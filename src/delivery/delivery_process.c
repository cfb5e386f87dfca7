/*
 * delivery_process.c
 *	  What a handler may have changed in its process.
 *
 * A handler can be written in a language, or call a library, that changes what
 * belongs to the whole process: signal handlers, the signal mask, the umask,
 * the working directory, locales, how numbers are rounded.  It would go on
 * working as it is used to, and PostgreSQL would not: a worker without
 * PostgreSQL's handler of SIGTERM never ends, and no shutdown of the server
 * does.  So all of this is put back after each call.
 *
 * What came to the library's signal handlers is not lost: the process looks
 * whether it is to end (SIGTERM), reads the configuration (SIGHUP), and does
 * what other backends want (SIGUSR1); DROP DATABASE, for one, waits for that.
 *
 * Signals that PostgreSQL leaves alone, or has only for errors of the program
 * (SIGSEGV, SIGFPE), are the library's: a Java machine, for one, lives on
 * them.
 */
#include "postgres.h"

#include <fenv.h>
#include <locale.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "miscadmin.h"
#include "postmaster/interrupt.h"
#include "storage/latch.h"
#include "storage/procsignal.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/pidfile.h"

#include "base/compat.h"
#include "delivery/delivery_process.h"
#include "worker/worker_end.h"

#define POSTMASTER_FILE "postmaster.pid"

static const int signals[] = {SIGHUP, SIGINT, SIGTERM, SIGQUIT, SIGALRM,
							  SIGUSR1, SIGUSR2, SIGPIPE, SIGCHLD};

/*
 * From 17 on PostgreSQL's signal handlers stand in a table behind a function
 * that sigaction() shows for all of them.  A library that calls pqsignal()
 * changes the table, and these are put back by pqsignal(), too.  The handlers
 * of SIGTERM and SIGQUIT are not there (worker_end.c).  That of SIGALRM is
 * known to timeout.c alone, and cannot be put back: a process that has lost it
 * is not used again, because nothing would be timed out there.
 */
static const struct
{
	int		  signal;
	pqsigfunc handler;
} known_handlers[] = {{SIGHUP, SignalHandlerForConfigReload},
					  {SIGINT, StatementCancelHandler},
					  {SIGUSR1, procsignal_sigusr1_handler}};

/* LC_MESSAGES comes last: it follows a setting, and can change rightly. */
static const int categories[] = {LC_COLLATE, LC_CTYPE, LC_NUMERIC, LC_TIME,
								 LC_MONETARY, LC_MESSAGES};

static struct
{
	struct sigaction actions[lengthof(signals)];
	sigset_t		 mask;
	mode_t			 umask;
	char			*locales[lengthof(categories)];
	char			*messages_setting;
	locale_t		 thread_locale;
	fenv_t			 floats;
} saved;

/* Has a library replaced what cannot be put back? */
static bool is_spoilt = false;

/*
 * The variable of this setting is declared in pg_locale.h, which includes
 * ICU's headers; those need not be there.
 */
static const char *
messages_setting(void)
{
	return GetConfigOption("lc_messages", false, false);
}

void
delivery_process_save(void)
{
	for (Size i = 0; i < lengthof(signals); i++)
		(void) sigaction(signals[i], NULL, &saved.actions[i]);
	(void) sigprocmask(SIG_SETMASK, NULL, &saved.mask);
	saved.umask = umask(0);
	(void) umask(saved.umask);
	for (Size i = 0; i < lengthof(categories); i++)
		saved.locales[i] = MemoryContextStrdup(TopMemoryContext,
											   setlocale(categories[i], NULL));
	saved.messages_setting = MemoryContextStrdup(TopMemoryContext,
												 messages_setting());
	saved.thread_locale = uselocale((locale_t) 0);
	(void) fegetenv(&saved.floats);
}

/* Is the server being shut down?  The postmaster says so in its file. */
static bool
server_shuts_down(void)
{
	FILE *file = fopen(POSTMASTER_FILE, "r");
	char  line[MAXPGPATH];
	bool  stopping = false;

	if (file == NULL)
		return errno == ENOENT;
	for (int i = 1; fgets(line, sizeof(line), file) != NULL; i++)
	{
		if (i == LOCK_FILE_LINE_PM_STATUS)
			stopping = strncmp(line, PM_STATUS_STOPPING, strlen(PM_STATUS_STOPPING)) == 0;
	}
	fclose(file);
	return stopping;
}

static bool
same_action(const struct sigaction *a, const struct sigaction *b)
{
	if ((a->sa_flags & SA_SIGINFO) != (b->sa_flags & SA_SIGINFO))
		return false;
	return (a->sa_flags & SA_SIGINFO) ? a->sa_sigaction == b->sa_sigaction :
										a->sa_handler == b->sa_handler;
}

/*
 * Puts signal handlers and the mask back.  Returns whether SIGTERM had another
 * handler, so that it may have come to no effect.
 */
static bool
restore_signals(void)
{
	bool missed = false;

	for (Size i = 0; i < lengthof(signals); i++)
	{
		struct sigaction found;

		(void) sigaction(signals[i], &saved.actions[i], &found);
		if (same_action(&found, &saved.actions[i]))
			continue;
		if (signals[i] == SIGTERM)
			missed = true;
		if (signals[i] == SIGHUP)
			ConfigReloadPending = true;
	}
	for (Size i = 0; i < lengthof(known_handlers); i++)
		pqsignal(known_handlers[i].signal, known_handlers[i].handler);
	(void) sigprocmask(SIG_SETMASK, &saved.mask, NULL);

	/* Whether another handler was there cannot be seen from 17 on. */
	(void) raise(SIGUSR1);
	return missed;
}

/*
 * Is PostgreSQL's handler of SIGALRM another one now?  It is known by the
 * latch that it sets.
 */
static bool
alarm_is_lost(void)
{
#ifdef COMPAT_HAS_TABLE_OF_SIGNALS
	bool lost;

	ResetLatch(MyLatch);
	(void) raise(SIGALRM);
	lost = !MyLatch->is_set;
	SetLatch(MyLatch);
	return lost;
#else
	return false;
#endif
}

static void
restore_locales(void)
{
	(void) uselocale(saved.thread_locale);
	for (Size i = 0; i < lengthof(categories); i++)
	{
		if (categories[i] == LC_MESSAGES &&
			strcmp(messages_setting(), saved.messages_setting) != 0)
			continue;
		if (strcmp(setlocale(categories[i], NULL), saved.locales[i]) != 0)
			(void) setlocale(categories[i], saved.locales[i]);
	}
}

void
delivery_process_restore(void)
{
	bool missed = restore_signals();

	(void) umask(saved.umask);
	restore_locales();
	(void) fesetenv(&saved.floats);
	if (chdir(DataDir) != 0)
		elog(FATAL, "could not change directory to \"%s\": %m", DataDir);
	is_spoilt = is_spoilt || alarm_is_lost();
	if (missed && (worker_end_is_ordered() || server_shuts_down()))
		worker_end_order();
}

bool
delivery_process_is_spoilt(void)
{
	return is_spoilt;
}
