/*
 * dispatch.pml
 *	  A commit wakes the dispatcher, and each record reaches its handlers.
 *
 * Abstracts
 *	  src/shard/shard_watch.c			watch_bits, shard_watch_end,
 *										shard_watch_take_wanted, shard_watch_wake
 *	  src/delivery/delivery_dispatcher.c	adopt_handlers, run_turn and what it
 *										calls, the main loop
 *	  src/delivery/delivery_survey.c	discovery_step
 *	  src/delivery/delivery_queue.c		the states of a unit, again
 *	  src/delivery/handler_mailbox.c	the states of an entry
 *	  src/delivery/handler_worker.c		the main loop
 *	  src/worker/worker_slots.c			worker_slots_wait, leave_registry
 *
 * One shard; UNITS units of it (mappings, or lanes); RECORDS commits by as many
 * writers.  The dispatcher dies DEATHS times, wherever it looks at interrupts,
 * and the launcher starts another one; handler workers end ENDS times.
 *
 * Leaves out: the timers.  A record shall not have to wait for one, so there is
 * no minute after which the tables are read again.  Only the retry after a
 * second, while a unit waits for a worker, is there.  Also left out: units that
 * wait or are blocked, held and suspect units, several shards in a slot (bits
 * that tell too much), crashes of the server (batch.pml), and what a step does.
 *
 * Promise one_worker: a unit is run by one handler worker at most
 * (handler_mailbox.c).
 * Promise delivered, liveness: a record that was committed reaches the handler
 * of each mapping at last (docs/mappings.md), whatever dies in between.
 *
 * Mutation NO_ADOPTION refutes one_worker: a new dispatcher does not look into
 * the mailbox.
 * Mutation NO_AGAIN_AFTER_ADOPTION refutes delivered: the code before ae471a5.
 * Mutation REPORTS_TO_PREDECESSOR refutes delivered: a new dispatcher does not
 * say that the entries are its own, so that its predecessor would be woken.
 * Mutation NO_WAKE_AT_END refutes delivered: a handler worker that ends wakes
 * the process that has started it, which the postmaster does, and not the
 * dispatcher that has taken its call over.
 * Mutation WATCH_BEHIND_LOOK refutes delivered: the shard is watched when its
 * units have been given to handler workers.
 * Mutation WAKE_BEFORE_COMMIT refutes delivered: a writer looks for watchers
 * before its commit is visible.
 * Mutation TAKES_ALL_BITS refutes delivered: bits are taken of units that run,
 * too, and nothing is remembered of them.
 * Mutation LATCH_RESET_BEHIND_TURN refutes delivered: the latch is reset when
 * the dispatcher has looked for work, and not before.
 * Mutation REPORT_WAKES_FIRST refutes delivered: a handler worker wakes the
 * dispatcher before its entry says that it is done.
 */
#include "promise.pml"

#ifdef LARGE
#define UNITS	2
#define WORKERS 2
#define RECORDS 2
#define DEATHS	1
#define ENDS	1
#else
#define UNITS	1
#ifdef NO_ADOPTION
#define WORKERS 2
#else
#define WORKERS 1
#endif
#define RECORDS 2
#define DEATHS	1
#define ENDS	1
#endif

#define ALL_WORKERS(i) i : 0 .. WORKERS - 1
#define ALL_UNITS(i) i : 0 .. UNITS - 1

/* States of an entry and of a unit, results of a run; 0: free, or unknown */
#define IDLE	 1
#define ASSIGNED 2
#define RUNNING	 3
#define DONE	 4
#define READY	 5
#define AGAIN	 6

#if UNITS == 1
#define EXISTS_READY (unit_state[0] == READY)
#define EXISTS_IDLE (unit_state[0] == IDLE)
#define EXISTS_UNKNOWN (unit_state[0] == 0)
#define ALL_DELIVERED (position[0] == RECORDS)
#else
#define EXISTS_READY (unit_state[0] == READY || unit_state[1] == READY)
#define EXISTS_IDLE (unit_state[0] == IDLE || unit_state[1] == IDLE)
#define EXISTS_UNKNOWN (unit_state[0] == 0 || unit_state[1] == 0)
#define ALL_DELIVERED (position[0] == RECORDS && position[1] == RECORDS)
#endif

bool one_worker = true;

byte committed = 1;	   /* records that are visible */
byte position[UNITS];  /* records that were delivered, and committed */
byte runs[UNITS];	   /* workers that run the unit */

/* Shared memory: two places for processes that watch, used in turn */
bool listed[2];
bool watched[2];
bool touched[2];
bool latch[2];
byte watching;

/* Shared memory: the mailbox */
byte entry[WORKERS];
byte entry_unit[WORKERS];
byte entry_result[WORKERS];
bit	 entry_dispatcher[WORKERS];

/* Shared memory: slots of workers, 0: none, 1: starting, 2: there */
byte slot[WORKERS];
byte starter[WORKERS]; /* the dispatcher that the postmaster tells */
bool worker_latch[WORKERS];

byte dispatchers; /* that there have been before the present one */
byte ends;

/* --- a writer ------------------------------------------------------------- */

proctype Writer()
{
	bit place;

#ifndef WAKE_BEFORE_COMMIT
	committed++;
#endif
	if
	:: watching == 0 -> goto done
	:: else
	fi;
	/* at most one process watches, at one of the two places */
	if
	:: d_step { listed[0] && watched[0] -> place = 0 }
	:: d_step { listed[1] && watched[1] -> place = 1 }
	:: else -> goto done
	fi;
	if
	:: d_step { !touched[place] -> touched[place] = true };
		d_step { latch[place] = true; place = 0 }
	:: d_step { touched[place] -> place = 0 }
	fi;
done:
#ifdef WAKE_BEFORE_COMMIT
	committed++;
#endif
	skip
}

/* --- a handler worker ----------------------------------------------------- */

/* The process ends; its slot is free before others are told. */
#define END_WORKER(unit_runs)                                       \
	ends < ENDS ->                                                  \
		ends++;                                                     \
		slot[w] = 0;                                                \
		if                                                          \
		:: unit_runs -> runs[u]--                                   \
		:: else                                                     \
		fi;                                                         \
		u = 0;                                                      \
		worker_latch[w] = false;                                    \
		goto ended

proctype Worker(byte w)
{
	byte u;
	byte seen;
	byte result;
	bit d;

start:
end_unused:
	atomic { slot[w] == 1 -> slot[w] = 2 };
loop:
	if
	:: atomic {
		entry[w] == ASSIGNED ->
			entry[w] = RUNNING;
			u = entry_unit[w];
			promise(one_worker, runs[u] == 0);
			runs[u]++
	   }
	:: atomic { entry[w] != ASSIGNED -> goto wait }
	fi;
step:
	/* the first transaction's snapshot */
	if
	:: atomic { committed == position[u] -> result = IDLE; goto report }
	:: d_step { committed > position[u] -> seen = committed }
	:: atomic { END_WORKER(true) }
	fi;
	/* the second one; perhaps its time is over */
	if
	:: atomic { position[u] = seen; seen = 0; goto step }
	:: d_step { position[u] = seen; seen = 0; result = AGAIN }
	fi;
report:
#ifdef REPORT_WAKES_FIRST
	latch[entry_dispatcher[w]] = true;
#endif
	atomic {
		entry_result[w] = result;
		entry[w] = DONE;
		runs[u]--;
		u = 0;
		result = 0;
		d = entry_dispatcher[w]
	};
#ifndef REPORT_WAKES_FIRST
	d_step { latch[d] = true; d = 0 };
#endif
	goto loop;
wait:
end_idle:
	if
	:: atomic { worker_latch[w] -> worker_latch[w] = false; goto loop }
	:: atomic { END_WORKER(false) }
	fi;
ended:
	/* The postmaster tells the process that has asked for the worker. */
	atomic {
		if
		:: starter[w] == dispatchers -> latch[dispatchers % 2] = true
		:: else
		fi;
#ifndef NO_WAKE_AT_END
		latch[entry_dispatcher[w]] = true;
#endif
		goto start
	}
}

/* --- the dispatcher ------------------------------------------------------- */

byte unit_state[UNITS]; /* the dispatcher's own memory, as what follows */
bool again[UNITS];

inline make_ready(u)
{
	if
	:: unit_state[u] == RUNNING -> again[u] = true
	:: unit_state[u] != RUNNING -> unit_state[u] = READY
	fi
}

inline end_run(u, result)
{
	if
	:: unit_state[u] == RUNNING ->
		unit_state[u] = (again[u] || result == AGAIN -> READY : IDLE)
	:: else
	fi
}

inline begin_run(u)
{
	unit_state[u] = RUNNING;
	again[u] = false
}

inline watch()
{
	if
	:: !watches ->
		d_step { watches = true; listed[me] = true; watched[me] = true };
		watching++
	:: else
	fi
}

inline list_handlers()
{
	atomic {
		for (ALL_WORKERS(w)) { copy[w] = entry[w] }
		w = 0
	}
}

#define MAY_DIE                                                      \
	if                                                               \
	:: atomic { dispatchers < DEATHS -> goto dies }                  \
	:: skip                                                          \
	fi

proctype Dispatcher()
{
	bit me = 0;
	byte w;
	byte u;
	byte copy[WORKERS];
	bool discover;
	bool watches;
	bool takes;

start:
	discover = true;
	/* adopt_handlers */
#ifndef REPORTS_TO_PREDECESSOR
	d_step {
		for (ALL_WORKERS(w)) { entry_dispatcher[w] = me }
		w = 0
	};
#endif
	list_handlers();
#ifndef NO_ADOPTION
	atomic {
		for (ALL_WORKERS(w)) {
			if
			:: copy[w] != 0 && copy[w] != IDLE ->
				begin_run(entry_unit[w]);
#ifndef NO_AGAIN_AFTER_ADOPTION
				again[entry_unit[w]] = true
#endif
			:: else
			fi;
			copy[w] = 0
		}
		w = 0
	}
#endif

turn:
	/* collect_from_handlers */
	list_handlers();
	d_step {
		for (ALL_WORKERS(w)) {
			if
			:: copy[w] == DONE ->
				end_run(entry_unit[w], entry_result[w]);
				entry[w] = IDLE
			:: copy[w] != DONE && copy[w] > IDLE && slot[w] == 0 ->
				end_run(entry_unit[w], AGAIN)
			:: else
			fi;
			if
			:: copy[w] != 0 && slot[w] == 0 ->
				entry[w] = 0;
				entry_unit[w] = 0
			:: else
			fi;
			copy[w] = 0
		}
		w = 0
	};

	/* read_tables: one step, and what the shards are watched for */
	if
	:: discover ->
		MAY_DIE;
		d_step {
			for (ALL_UNITS(u)) {
				if
				:: unit_state[u] == 0 -> unit_state[u] = READY; break
				:: else
				fi
			}
			u = 0;
			discover = EXISTS_UNKNOWN
		};
#ifndef WATCH_BEHIND_LOOK
		watch()
#endif
	:: else
	fi;

	/* ready_touched_units */
	d_step {
#ifdef TAKES_ALL_BITS
		takes = touched[me];
#else
		takes = touched[me] && EXISTS_IDLE;
#endif
		if
		:: takes -> touched[me] = false
		:: else
		fi;
		for (ALL_UNITS(u)) {
			if
#ifdef TAKES_ALL_BITS
			:: takes && unit_state[u] == IDLE -> make_ready(u)
#else
			:: takes -> make_ready(u)
#endif
			:: else
			fi
		}
		u = 0;
		takes = false
	};

	/* delivery_assign */
assign:
	atomic {
		if
		:: !EXISTS_READY -> goto assigned
		:: else
		fi;
		for (ALL_UNITS(u)) {
			if
			:: unit_state[u] == READY -> break
			:: else
			fi
		};
		for (ALL_WORKERS(w)) {
			if
			:: entry[w] == IDLE -> break
			:: else
			fi
		};
		if
		:: w == WORKERS ->
			for (ALL_WORKERS(w)) {
				if
				:: entry[w] == 0 && slot[w] == 0 ->
					entry_dispatcher[w] = me;
					slot[w] = 1;
					starter[w] = dispatchers;
					break
				:: else
				fi
			}
		:: else
		fi;
		if
		:: w < WORKERS ->
			entry[w] = ASSIGNED;
			entry_unit[w] = u;
			begin_run(u);
			u = 0
		:: else ->
			w = 0;
			u = 0;
			goto assigned
		fi
	};
	/* without an interrupt in between */
	atomic { worker_latch[w] = true; w = 0; goto assign };
assigned:
#ifdef WATCH_BEHIND_LOOK
	watch();
#endif

	/* worker_slots_wait */
#ifdef LATCH_RESET_BEHIND_TURN
	latch[me] = false;
#endif
end_asleep:
	if
	:: atomic { latch[me] -> latch[me] = false; goto turn }
	:: atomic { EXISTS_READY -> goto turn } /* after a second */
	:: atomic { discover -> goto turn }		/* there is more to be read */
	:: atomic { dispatchers < DEATHS -> goto dies }
	fi;

dies:
	/* shard_watch_end */
	if
	:: watches ->
		d_step { watched[me] = false; watching-- };
		d_step { listed[me] = false; touched[me] = false }
	:: else
	fi;
	/* leave_registry; the launcher starts another dispatcher. */
	atomic {
		for (ALL_WORKERS(w)) {
			if
			:: slot[w] == 1 && starter[w] == dispatchers -> slot[w] = 0
			:: else
			fi
		}
		w = 0;
		for (ALL_UNITS(u)) {
			unit_state[u] = 0;
			again[u] = false
		}
		u = 0;
		dispatchers++;
		latch[me] = false;
		me = 1 - me;
		watches = false;
		goto start
	}
}

init
{
	byte i;

	atomic {
		for (i : 2 .. RECORDS) { run Writer() }
		for (ALL_WORKERS(i)) { run Worker(i) }
		run Dispatcher()
	}
}

ltl delivered { <> ALL_DELIVERED }
