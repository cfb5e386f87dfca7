/*
 * batch.pml
 *	  A batch's position, its marks, and crashes at every step.
 *
 * Abstracts
 *	  src/delivery/delivery_prepare.c	delivery_prepare, find_ended_call,
 *										begin_call, prepare_give_up
 *	  src/delivery/delivery_perform.c	save_with_effects
 *	  src/delivery/delivery_run.c		try_to_prepare, record_failure
 *	  src/delivery/delivery_step.c		delivery_step_fail
 *	  src/delivery/delivery_position.c	delivery_position_save
 *	  src/delivery/call_verdict.c
 *
 * A unit with RECORDS records, each a batch of its own, and the handler worker
 * that runs it (batch_twice.pml has two).  Commits are asynchronous, as with
 * synchronous_commit = off, but those that are forced; the WAL is flushed
 * behind them at any moment.  What is not flushed is lost at the next end of
 * the server.  The server ends because the handler has ended its process,
 * OTHERS times because another process has crashed, and MACHINES times with
 * the machine, which may take the unsynced file of running calls with it, or
 * bring back a verdict that was forgotten.
 *
 * The first call of a batch may be noted in that file alone; otherwise, and at
 * each later call, the first transaction has committed the position before.
 * Which of the two it is, where both may be, is left open: a step that has
 * something else to write chooses the second.
 *
 * Leaves out: bisecting, windows, filters, lanes, the age and loss of records,
 * on_failure, answers that name a record, and the time between two attempts.
 * For DELIVERY_MAX_CRASHES, 3, and maximum_retry_attempts the model has 2, so
 * that it is smaller.  That another ddbstreams process is there to note the
 * SIGQUIT is taken for granted: it is the dispatcher.
 *
 * Promise exactly_once: the effects of a record are committed once, and the
 * checkpoint passes no record without them unless its batch was given up
 * (docs/mappings.md).
 * Promise crashes_counted: a batch that ends its process is called no more than
 * so often, with one call more for each death of the machine (docs/mappings.md).
 * Promise innocent: a batch is given up only for what its own handler has done
 * (docs/mappings.md).
 * Promise delivered, liveness: the last record is delivered at last, or given
 * up, where the handler ends its process at each call.
 *
 * Mutation MARK_NOT_FORCED refutes crashes_counted: that a call has begun is
 * committed asynchronously.
 * Mutation CALL_NOT_NOTED refutes crashes_counted: the first call of a batch is
 * not noted in the file.
 * Mutation NOTE_NOT_LOOKED_FOR refutes crashes_counted: a verdict is looked for
 * only where the position says that a call has begun.
 * Mutation END_NOT_FORCED refutes crashes_counted: the end of a batch is
 * committed asynchronously, so that a position may be lost on which the next
 * call was noted.
 * Mutation VERDICT_NOT_FORCED refutes crashes_counted: that a crash was counted
 * is committed asynchronously, and the verdict is forgotten.
 * Mutation VERDICT_TAKEN_FIRST refutes crashes_counted: the verdict is forgotten
 * before it is counted.
 * Mutation POSITION_APART refutes exactly_once: the effects are committed first,
 * and the position behind them.
 * Mutation GUILTY_WITHOUT_VERDICT refutes innocent: a mark without a verdict
 * counts as a crash.
 * Mutation EXCUSED_COSTS refutes innocent: a call that others have ended costs
 * an attempt.
 */
#include "promise.pml"

#ifdef TWICE
#define OTHERS	 0
#define MACHINES 0
#elif defined(LARGE)
#define OTHERS	 3
#define MACHINES 2
#else
#define OTHERS	 1
#define MACHINES 1
#endif
#define RECORDS 2
#ifdef TWICE
#define WORKERS 2
#else
#define WORKERS 1
#endif

#define MAX_CALLS	8
#define MAX_CRASHES 2
#define MAX_RETRIES 2

bool exactly_once = true;
bool crashes_counted = true;
bool innocent = true;

/* What a transaction writes: the position, and what the handler has done */
#define EFFECTS	 1
#define GIVEN_UP 2

typedef Rows {
	byte checkpoint;
	byte call_no;
	bool in_call;
	byte attempts;
	byte crashes;
	bool giving_up;
	byte fate[RECORDS];
};

Rows row;  /* as transactions see it */
Rows disk; /* as it is after a crash */
bool row_locked;

/* The file of running calls, and the verdicts in it and in shared memory */
byte mark[WORKERS]; /* 1 + the position's call_no while a call runs; 0: none */
bool quit;
byte verdict;	/* the mark of a call that has ended its process */
byte forgotten; /* the last verdict that was forgotten */

byte server;   /* its lives so far */
byte others;
byte machines;
byte faults[RECORDS];	   /* of the handler, with each record */
byte own_crashes[RECORDS]; /* ... that have ended its process */

inline copy_rows(to, from)
{
	to.checkpoint = from.checkpoint;
	to.call_no = from.call_no;
	to.in_call = from.in_call;
	to.attempts = from.attempts;
	to.crashes = from.crashes;
	to.giving_up = from.giving_up;
	to.fate[0] = from.fate[0];
	to.fate[1] = from.fate[1]
}

/* Commits what becomes of the present record. */
inline decide(what)
{
	promise(exactly_once, row.fate[p.checkpoint] == 0);
	row.fate[p.checkpoint] = what
}

inline end_batch(p)
{
	p.checkpoint++;
	p.attempts = 0;
	p.crashes = 0;
	p.giving_up = false
}

/* The server ends, and starts again. */
inline restart()
{
	copy_rows(row, disk);
	row_locked = false;
	for (i : 0 .. WORKERS - 1) {
		if
		:: quit && mark[i] != 0 -> verdict = mark[i]
		:: else
		fi;
		mark[i] = 0
	}
	i = 0;
	quit = false;
	server++
}

proctype Others()
{
	byte i;

end_others:
	do
	:: atomic {
		others < OTHERS ->
			others++;
			quit = true;
			for (i : 0 .. WORKERS - 1) { mark[i] = 0 }
			restart()
	   }
	:: atomic {
		machines < MACHINES ->
			machines++;
			if
			:: verdict = 0
			:: verdict = forgotten
			:: skip
			fi;
			for (i : 0 .. WORKERS - 1) { mark[i] = 0 }
			restart()
	   }
	/* the WAL writer */
	:: d_step {
		row.call_no != disk.call_no || row.checkpoint != disk.checkpoint ||
		row.in_call != disk.in_call || row.crashes != disk.crashes ||
		row.attempts != disk.attempts || row.fate[0] != disk.fate[0] ||
		row.fate[1] != disk.fate[1] ->
			copy_rows(disk, row)
	   }
	od
}

/* Two workers could take a call from each other for ever. */
#ifdef TWICE
#define ALL_DONE (row.checkpoint == RECORDS || row.call_no > MAX_CALLS)
#else
#define ALL_DONE (row.checkpoint == RECORDS)
#endif

/* The session is gone if the server has ended since it began. */
#define GONE (life != server)

#ifdef POSITION_UNCHECKED
#define IS_OWN (!row_locked)
#else
#define IS_OWN (!row_locked && row.call_no == stored)
#endif

/* Commits the position. */
inline commit(forced)
{
	row.checkpoint = p.checkpoint;
#ifdef CALL_NO_KEPT_AT_END
	row.call_no = (p.in_call -> stored + 1 : stored);
#else
	row.call_no = stored + 1;
#endif
	row.in_call = p.in_call;
	row.attempts = p.attempts;
	row.crashes = p.crashes;
	row.giving_up = p.giving_up;
	row_locked = false;
	if
	:: forced -> copy_rows(disk, row)
	:: else
	fi
}

proctype Worker(byte me)
{
	Rows p;
	byte stored;
	byte life;
	byte judged;
	byte i;

start:
	atomic { life = server; judged = 0; stored = 0 };

step:
	/* the first transaction */
	atomic {
		if
		:: GONE -> goto start
		:: ALL_DONE -> goto ready
		:: else
		fi;
		copy_rows(p, row);
		stored = p.call_no;
		judged = 0;
		if
#ifdef NOTE_NOT_LOOKED_FOR
		:: p.in_call && verdict == p.call_no + 1 ->
#else
		:: verdict == p.call_no + 1 ->
#endif
			judged = verdict;
			/* What the position lacks, the note of the call has. */
			if
			:: !p.in_call -> p.attempts++
			:: else
			fi;
#ifdef VERDICT_TAKEN_FIRST
			verdict = 0
#endif
		:: else
		fi;
		if
#ifdef GUILTY_WITHOUT_VERDICT
		:: p.in_call ->
#else
		:: judged != 0 ->
#endif
			p.crashes++;
			p.in_call = false;
			if
			:: p.crashes >= MAX_CRASHES || p.attempts > MAX_RETRIES ->
				p.giving_up = true
			:: else
			fi;
			goto count
		:: else
		fi;
#ifndef EXCUSED_COSTS
		if
		:: p.in_call -> p.attempts--
		:: else
		fi;
#endif
		if
		:: p.giving_up ->
			promise(innocent, faults[p.checkpoint] > MAX_RETRIES || own_crashes[p.checkpoint] >= MAX_CRASHES);
			goto give_up
		:: else
		fi;
		p.attempts++;
		if
		:: !p.in_call && p.attempts == 1 && p.crashes == 0 -> p.in_call = true; goto call
		:: p.in_call = true
		fi
	};

begin_call:
	/* delivery_position_save, and the commit, which is forced */
	if
	:: atomic { GONE -> goto start }
	:: atomic { !GONE && !IS_OWN -> goto step }
	:: atomic { !GONE && IS_OWN -> row_locked = true }
	fi;
	atomic {
		if
		:: GONE -> goto start
		:: else
		fi;
#ifdef MARK_NOT_FORCED
		commit(false);
#else
		commit(true);
#endif
		stored = row.call_no
	};

call:
	atomic {
		if
		:: GONE -> goto start
#ifdef CALL_NOT_NOTED
		:: else -> mark[me] = (row.in_call -> stored + 1 : 0)
#else
		:: else -> mark[me] = stored + 1
#endif
		fi
	};
	/* the second transaction: the handler */
	if
	:: atomic { GONE -> goto start }
	:: atomic { !GONE -> goto perform }
#if !defined(LIVENESS) && !defined(TWICE)
	:: atomic { !GONE -> faults[p.checkpoint]++; goto fail }
#endif
#ifndef TWICE
	:: atomic { /* it crashes: the others note the SIGQUIT */
		!GONE ->
			faults[p.checkpoint]++;
			own_crashes[p.checkpoint]++;
			promise(crashes_counted, own_crashes[p.checkpoint] <= MAX_CRASHES + machines);
			quit = true;
			for (i : 0 .. WORKERS - 1) {
				if
				:: i != me -> mark[i] = 0
				:: else
				fi
			}
			restart();
			goto start
	   }
	:: atomic { /* it ends its process in good order */
		!GONE ->
			faults[p.checkpoint]++;
			own_crashes[p.checkpoint]++;
			promise(crashes_counted, own_crashes[p.checkpoint] <= MAX_CRASHES + machines);
			verdict = mark[me];
			mark[me] = 0;
			goto start
	   }
#endif
	fi;

perform:
#ifdef POSITION_APART
	atomic {
		if
		:: GONE -> goto start
		:: else -> decide(EFFECTS)
		fi
	};
#endif
	if
	:: atomic { GONE -> goto start }
	:: atomic { !GONE && !IS_OWN -> mark[me] = 0; goto step }
#ifdef NO_ROW_LOCK
	:: atomic { !GONE && IS_OWN -> skip }
#else
	:: atomic { !GONE && IS_OWN -> row_locked = true }
#endif
	fi;
	atomic {
		if
		:: GONE -> goto start
		:: else
		fi;
#ifndef POSITION_APART
		decide(EFFECTS);
#endif
		end_batch(p);
		p.in_call = false;
#ifdef END_NOT_FORCED
		commit(false)
#else
		commit(true)
#endif
	};
	atomic {
		if
		:: GONE -> goto start
		:: else -> mark[me] = 0; goto start
		fi
	};

fail:
	/* the third transaction */
	atomic {
		if
		:: GONE -> goto start
		:: else
		fi;
		mark[me] = 0;
		p.in_call = false;
		if
		:: p.attempts > MAX_RETRIES -> p.giving_up = true
		:: else
		fi;
		if
		:: IS_OWN -> commit(true)
		:: else
		fi;
		goto start
	};

count:
	if
	:: atomic { GONE -> goto start }
	:: atomic { !GONE && !IS_OWN -> goto step }
	:: atomic { !GONE && IS_OWN -> row_locked = true }
	fi;
	atomic {
		if
		:: GONE -> goto start
		:: else
		fi;
#ifdef VERDICT_NOT_FORCED
		commit(false)
#else
		commit(true)
#endif
	};
	/* The verdict is forgotten behind the commit. */
	atomic {
		if
		:: GONE -> goto start
		:: else
		fi;
		if
		:: verdict == judged -> verdict = 0; forgotten = judged
		:: else
		fi;
		goto start
	};

give_up:
	atomic {
		if
		:: GONE -> goto start
		:: else
		fi;
		if
		:: IS_OWN ->
			decide(GIVEN_UP);
			end_batch(p);
			p.in_call = false;
			commit(true)
		:: else
		fi;
		goto start
	};

ready:
end_ready:
	atomic { !ALL_DONE -> goto start }
}

init
{
	byte i;

	atomic {
		for (i : 0 .. WORKERS - 1) { run Worker(i) }
		run Others()
	}
}

ltl delivered { <> (disk.checkpoint == RECORDS) }
