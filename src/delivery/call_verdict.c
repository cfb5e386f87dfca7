/*
 * call_verdict.c
 *	  Which calls of handlers have ended their process, and how.
 *
 * The mark in_call in a unit's position tells that the process which made the
 * call has ended, and not why.  A handler must pay for a call that has ended
 * its own process, above all by a crash, which restarts the server; it must
 * not pay for what others do.  Without a verdict found here a call is excused.
 *
 * The first call of a batch has no such mark, which would have to be flushed
 * before the call.  It is noted here alone, with what the position would say
 * (CallNote).  If its process ends there is always a verdict, excused or not,
 * and the note makes the position what it would have been.  What is lost is
 * then lost with the machine, whose death excuses every call.  All this relies
 * on a position that is on disk before anyone can read it
 * (delivery_position_save): a crash must not take away the one that a call was
 * noted for.
 *
 * A process that ends in good order (proc_exit) passes the verdict itself: it
 * knows which process has sent SIGTERM, and the FATAL error.
 *
 * A process that crashes can say nothing, and shared memory is lost with it.
 * So each handler worker writes into a file, without syncing it, which call it
 * makes.  After a crash the postmaster ends all others by SIGQUIT; they write
 * down, in the signal handler, that their calls are excused.  When the
 * postmaster makes the shared memory anew, it reads the file: the call that is
 * marked as running is the one that has crashed.  It is not, if no process has
 * written that SIGQUIT came: then all of them were killed at once, with the
 * machine or by kill -9, and nobody knows of any call that it is guilty.
 *
 * The file is in pg_stat_tmp, which base backups leave out.  If a backup is
 * restored around it, or the server becomes a standby, its calls are of
 * another history of the data, and it is emptied.  If it cannot be written,
 * crashes are not counted.
 *
 * Verdicts wait in shared memory, and in the file, because there may be
 * another crash first, until a step of the unit has counted them, durably.
 * One that is never found, because the mapping was deleted, or because the
 * position was written just before the crash, is overwritten in the end.  A
 * verdict that costs nothing goes first, but for a share: the notes of excused
 * calls are needed too.  The shared memory is guarded by a spinlock.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/xlog.h"
#include "common/file_perm.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/pmsignal.h"
#include "storage/shmem.h"
#include "storage/spin.h"

#include "delivery/call_verdict.h"
#include "worker/worker_end.h"

#define CALLS_FILE PG_STAT_TMP_DIR "/ddbstreams_calls"

#define CALLS_MAGIC	 0xDDB50002
#define MAX_VERDICTS 64

/* So many of them are for calls that are excused, if there are so many. */
#define EXCUSED_SHARE 16

typedef enum CallState
{
	CALL_NONE,
	CALL_RUNNING,
	CALL_QUIT, /* its process was ended with all others */
	CALL_JUDGED
} CallState;

/* A call that runs, or one that has been judged */
typedef struct CallRecord
{
	int32		 state;	  /* CallState */
	int32		 verdict; /* CallVerdict; means something if JUDGED */
	Oid			 database;
	DeliveryUnit unit;
	int64		 call_no;
	bool		 is_noted; /* the position does not say that it has begun */
	CallNote	 note;	   /* means something if is_noted */
} CallRecord;

/* The file begins with this; behind it are the running calls. */
typedef struct CallsHeader
{
	uint32	   magic;
	int32	   call_count;
	int32	   quit; /* SIGQUIT has come to one of the processes */
	CallRecord verdicts[MAX_VERDICTS];
} CallsHeader;

typedef struct CallVerdicts
{
	slock_t	   mutex;
	int		   next[2]; /* where to look for a record to be overwritten: one
						 * that costs something, one that is excused */
	CallRecord records[MAX_VERDICTS];
} CallVerdicts;

static CallVerdicts *verdicts = NULL;
static int			 calls_fd = -1;
static int			 my_index = -1;
static CallRecord	 my_call; /* its state is NONE while no call runs */
static volatile bool my_call_timed_out = false;

static off_t
offset_of_call(int index)
{
	return sizeof(CallsHeader) + (off_t) index * sizeof(CallRecord);
}

static off_t
offset_of_verdict(int index)
{
	return offsetof(CallsHeader, verdicts) + (off_t) index * sizeof(CallRecord);
}

/* A failure is ignored: it costs no more than a crash that is not counted. */
static void
write_at(off_t offset, const void *data, size_t size)
{
	if (calls_fd >= 0 && pwrite(calls_fd, data, size, offset) < 0)
		return;
}

/*
 * --- in the postmaster ------------------------------------------------------
 */

Size
call_verdict_shmem_size(void)
{
	return sizeof(CallVerdicts);
}

static bool
is_excused(const CallRecord *record)
{
	return record->verdict == CALL_EXCUSED;
}

/* Is this the verdict on that call? */
static bool
is_verdict_on(const CallRecord *record, Oid database, const DeliveryUnit *unit,
			  int64 call_no)
{
	return record->state == CALL_JUDGED && record->database == database &&
		   record->call_no == call_no &&
		   memcmp(&record->unit, unit, sizeof(DeliveryUnit)) == 0;
}

/* Returns the index of the verdict on a call, or -1. */
static int
find_verdict(Oid database, const DeliveryUnit *unit, int64 call_no)
{
	for (int i = 0; i < MAX_VERDICTS; i++)
	{
		if (is_verdict_on(&verdicts->records[i], database, unit, call_no))
			return i;
	}
	return -1;
}

/*
 * Returns where there is room for a verdict: where there is none, or else
 * where the oldest one of the kind is that has more than its share.
 */
static int
find_room(void)
{
	int	 excused = 0;
	bool takes_excused;

	for (int i = 0; i < MAX_VERDICTS; i++)
	{
		if (verdicts->records[i].state == CALL_NONE)
			return i;
		excused += is_excused(&verdicts->records[i]);
	}
	takes_excused = excused > EXCUSED_SHARE;
	for (int i = 0; i < MAX_VERDICTS; i++)
	{
		int index = (verdicts->next[takes_excused] + i) % MAX_VERDICTS;

		if (is_excused(&verdicts->records[index]) == takes_excused)
		{
			verdicts->next[takes_excused] = (index + 1) % MAX_VERDICTS;
			return index;
		}
	}
	return 0; /* not reached: there are more verdicts than the share */
}

/*
 * Keeps a verdict in shared memory; returns its index.  A process that is
 * ended while it judges its call may have a second one; the graver one counts.
 */
static int
keep_verdict(CallRecord *record)
{
	int index;

	SpinLockAcquire(&verdicts->mutex);
	index = find_verdict(record->database, &record->unit, record->call_no);
	if (index < 0)
		index = find_room();
	else
		record->verdict = Max(record->verdict, verdicts->records[index].verdict);
	verdicts->records[index] = *record;
	SpinLockRelease(&verdicts->mutex);
	return index;
}

/* Keeps the verdict on the calls of a file that are in this state. */
static void
judge_calls(int fd, int count, CallState state, CallVerdict verdict)
{
	for (int i = 0; i < count; i++)
	{
		CallRecord call;

		if (pread(fd, &call, sizeof(call), offset_of_call(i)) != sizeof(call))
			break;
		if (call.state != (int32) state)
			continue;
		call.state = CALL_JUDGED;
		call.verdict = verdict;
		(void) keep_verdict(&call);
	}
}

/* Keeps the verdicts of a file that an earlier life of the server has left. */
static void
read_file(int fd)
{
	CallsHeader *header = palloc0(sizeof(CallsHeader));

	if (pread(fd, header, sizeof(CallsHeader), 0) == sizeof(CallsHeader) &&
		header->magic == CALLS_MAGIC)
	{
		for (int i = 0; i < MAX_VERDICTS; i++)
		{
			if (header->verdicts[i].state == CALL_JUDGED)
				(void) keep_verdict(&header->verdicts[i]);
		}
		if (header->quit)
		{
			judge_calls(fd, header->call_count, CALL_RUNNING, CALL_GUILTY);
			judge_calls(fd, header->call_count, CALL_QUIT, CALL_EXCUSED);
		}
	}
	pfree(header);
}

/* Does recovery begin that leads to another history than the file is of? */
static bool
history_changes(void)
{
	return access(BACKUP_LABEL_FILE, F_OK) == 0 ||
		   access(RECOVERY_SIGNAL_FILE, F_OK) == 0 ||
		   access(STANDBY_SIGNAL_FILE, F_OK) == 0;
}

/* Writes a file without running calls. */
static bool
write_file(int fd)
{
	CallsHeader *header = palloc0(sizeof(CallsHeader));
	off_t		 size = offset_of_call(max_worker_processes);
	bool		 written;

	header->magic = CALLS_MAGIC;
	header->call_count = max_worker_processes;
	memcpy(header->verdicts, verdicts->records, sizeof(header->verdicts));
	errno = 0;
	written = ftruncate(fd, 0) == 0 && ftruncate(fd, size) == 0 &&
			  pwrite(fd, header, sizeof(CallsHeader), 0) == sizeof(CallsHeader);
	pfree(header);
	return written;
}

void
call_verdict_shmem_init(void)
{
	bool found;
	int	 fd;

	verdicts = ShmemInitStruct("ddbstreams verdicts", call_verdict_shmem_size(),
							   &found);
	if (found)
		return;
	memset(verdicts, 0, call_verdict_shmem_size());
	SpinLockInit(&verdicts->mutex);
	if (!IsPostmasterEnvironment || IsBinaryUpgrade)
		return;
	fd = BasicOpenFile(CALLS_FILE, O_RDWR | O_CREAT | PG_BINARY);
	if (fd >= 0 && !history_changes())
		read_file(fd);
	if (fd < 0 || !write_file(fd))
		ereport(LOG,
				(errcode_for_file_access(),
				 errmsg("ddbstreams could not write file \"%s\": %m", CALLS_FILE),
				 errdetail("Calls of handlers that crash the server will not be counted.")));
	if (fd >= 0)
		close(fd);
}

/*
 * --- in a worker ------------------------------------------------------------
 */

/* Runs in a signal handler. */
static void
note_quit(void)
{
	int32 quit = true;
	int32 state = my_call.state == CALL_RUNNING && my_call.is_noted ? CALL_QUIT : CALL_NONE;

	write_at(offsetof(CallsHeader, quit), &quit, sizeof(quit));
	if (my_index >= 0)
		write_at(offset_of_call(my_index), &state, sizeof(state));
}

/* Judges the call that runs while the process ends in good order. */
static CallVerdict
judge(void)
{
	int sqlstate = worker_end_fatal_sqlstate();

	if (my_call_timed_out)
		return CALL_TIMED_OUT;
	if (worker_end_is_ordered() || !PostmasterIsAlive())
		return CALL_EXCUSED;
	if (worker_end_is_from_outside())
		return CALL_TERMINATED;

	/*
	 * PL/Python's plpy.fatal has a class of its own.  These classes are what
	 * PostgreSQL and libraries raise: no memory or no room for more of
	 * something, an error of the system or of the program, transaction_timeout
	 * and the like.
	 */
	switch (ERRCODE_TO_CATEGORY(sqlstate))
	{
		case ERRCODE_INVALID_TRANSACTION_STATE:
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_PROGRAM_LIMIT_EXCEEDED:
		case ERRCODE_SYSTEM_ERROR:
		case ERRCODE_INTERNAL_ERROR:
			return CALL_FATAL;
		case ERRCODE_OPERATOR_INTERVENTION:
			return sqlstate == ERRCODE_ADMIN_SHUTDOWN ? CALL_GUILTY : CALL_FATAL;
		default:
			return CALL_GUILTY;
	}
}

static void
judge_at_exit(int code, Datum arg)
{
	CallRecord call = my_call;

	if (call.state != CALL_RUNNING)
		return;
	call.state = CALL_JUDGED;
	call.verdict = judge();
	if (call.is_noted || !is_excused(&call))
	{
		int index = keep_verdict(&call);

		write_at(offset_of_verdict(index), &call, sizeof(call));
	}
	call_verdict_end();
}

void
call_verdict_attach(int index)
{
	my_index = index;
	calls_fd = BasicOpenFile(CALLS_FILE, O_RDWR | O_CLOEXEC | PG_BINARY);
	if (calls_fd >= 0)
		ReserveExternalFD();
	worker_end_set_quit_function(note_quit);
	before_shmem_exit(judge_at_exit, 0);
}

void
call_verdict_begin(const DeliveryUnit *unit, int64 call_no, const CallNote *note)
{
	CallRecord call = {.state = CALL_RUNNING,
					   .database = MyDatabaseId,
					   .unit = *unit,
					   .call_no = call_no,
					   .is_noted = note != NULL};

	if (note != NULL)
		call.note = *note;
	my_call_timed_out = false;
	write_at(offset_of_call(my_index), &call, sizeof(call));
	/* From here on it is found at the end of the process. */
	my_call = call;
}

void
call_verdict_end(void)
{
	my_call.state = CALL_NONE;
	write_at(offset_of_call(my_index), &my_call.state, sizeof(my_call.state));
}

void
call_verdict_note_time_out(void)
{
	my_call_timed_out = true;
}

bool
call_verdict_find_noted(const DeliveryUnit *unit, int64 call_no, int64 checkpoint,
						CallNote *note)
{
	bool found = false;
	int	 index;

	SpinLockAcquire(&verdicts->mutex);
	index = find_verdict(MyDatabaseId, unit, call_no);
	if (index >= 0)
	{
		const CallRecord *record = &verdicts->records[index];

		found = record->is_noted && record->note.checkpoint == checkpoint;
		if (found)
			*note = record->note;
	}
	SpinLockRelease(&verdicts->mutex);
	return found;
}

CallVerdict
call_verdict_find(const DeliveryUnit *unit, int64 call_no)
{
	CallVerdict verdict = CALL_EXCUSED;
	int			index;

	SpinLockAcquire(&verdicts->mutex);
	index = find_verdict(MyDatabaseId, unit, call_no);
	if (index >= 0)
		verdict = verdicts->records[index].verdict;
	SpinLockRelease(&verdicts->mutex);
	return verdict;
}

void
call_verdict_forget(const DeliveryUnit *unit, int64 call_no)
{
	int32 state = CALL_NONE;
	int	  index;

	SpinLockAcquire(&verdicts->mutex);
	index = find_verdict(MyDatabaseId, unit, call_no);
	if (index >= 0)
		verdicts->records[index].state = CALL_NONE;
	SpinLockRelease(&verdicts->mutex);
	if (index >= 0)
		write_at(offset_of_verdict(index), &state, sizeof(state));
}
