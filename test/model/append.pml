/*
 * append.pml
 *	  Writers append to a shard, and readers stop at what is unresolved.
 *
 * Abstracts
 *	  src/shard/shard_log.c		take_numbers, shard_log_append, shard_log_now
 *	  src/shard/shard_reader.c	read_page, is_aborted, shard_reader_next,
 *								shard_reader_latest
 *	  src/capture/append.c		append_in_order: one batch after the other
 *	  PostgreSQL's order at the end of a transaction: the commit log first, then
 *	  the list of running transactions
 *
 * One shard; WRITERS transactions, of which the first appends two batches and
 * the others one; a batch is one record, and a page too.  A transaction commits,
 * synchronously or not, aborts, also by an error in an append, or is prepared,
 * and then committed or rolled back by another session.  The server crashes
 * CRASHES times: what is not flushed is lost, and a transaction that was neither
 * committed nor prepared is neither committed nor aborted in the commit log.
 * The clock stands still, goes on, or is set back.  A reader reads on behind its
 * position at any moment; in latest.pml it finds LATEST.
 *
 * Takes for granted: the WAL is flushed in its order, so that a lost tail of the
 * heap is a tail; and numbers are less than a second ahead of the clock when the
 * server crashes, so that the floor of shard_log_now is above all of them.  If
 * the clock was set back by more just before, and transactions committed
 * asynchronously are lost then, their numbers can be given again.
 *
 * Leaves out: binary search, vacuums, the hint for LATEST, savepoints (their
 * changes are not in the shard before the commit), standbys, several shards.
 * With IN_FLIGHT the reader looks first where its walk may begin; what is known
 * of the clock is then taken to be exact.
 *
 * Promise physical_order: physical order is number order (invariant 1).
 * Promise nothing_before: when a record is visible, all records before it are in
 * the heap (invariant 2), and numbers never go back (invariant 5): no record
 * gets a number that is not above all numbers that a reader has seen.
 * Promise nothing_lost: a reader passes over a record only if its transaction
 * will never have committed (invariant 3).
 *
 * Mutation NO_APPEND_LOCK refutes physical_order: a batch is numbered and
 * appended without the append lock.
 * Mutation LOCK_FOR_NUMBER_ONLY refutes nothing_before: the append lock is
 * released before the records are in the heap; they would be sorted later.
 * Mutation CLOCK_ALONE refutes physical_order: a number is what the clock says.
 * Mutation NO_FLOOR refutes nothing_before: numbers go on behind the heap's last
 * one after a crash.
 * Mutation READS_PAST_UNRESOLVED refutes nothing_lost: readers pass over what is
 * in flight.
 * Mutation DID_COMMIT_FIRST refutes nothing_lost: whether a transaction has
 * committed is asked before whether it is in progress.
 * Mutation SNAPSHOT_IGNORED refutes nothing_lost: a transaction that is not in
 * progress any more is aborted if the snapshot does not show it.
 */
#include "promise.pml"

#ifdef LARGE
#define WRITERS 3
#else
#define WRITERS 2
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#define SIZE (WRITERS + 1)

#define NEITHER	  0
#define COMMITTED 1
#define ABORTED	  2

bool physical_order = true;
bool nothing_before = true;
bool nothing_lost = true;
bool latest = true;

/* Transactions, by writer */
byte log[WRITERS];		/* the commit log */
byte disk_log[WRITERS]; /* ... as far as it is flushed */
bool begun[WRITERS];
bool running[WRITERS] = true; /* in a snapshot: it has not ended */
bool prepared[WRITERS];

/* The heap */
byte length;
byte disk_length;
byte number[SIZE];
byte writer[SIZE];

/* Shared memory */
bool append_lock;
byte last;
byte floor;

byte crashes;
byte highest; /* number that was given */
byte seen;	  /* highest number that a reader has got */

#ifdef IN_FLIGHT
/* RowExclusiveLock on the shard's table, from before the append to the end */
bool holds[WRITERS];

/* Up to here all was settled but the writer's own, when it had appended. */
byte mark[WRITERS];
#endif

#ifdef SEARCHES
/* What the last search for LATEST has found */
byte latest_number;
bool latest_running[WRITERS];
#endif

/* What is flushed does not matter when no crash is to come. */
inline flush()
{
	disk_length = (crashes < CRASHES -> length : 0);
	for (w : 0 .. WRITERS - 1) { disk_log[w] = (crashes < CRASHES -> log[w] : 0) }
	w = 0
}

proctype Writer(byte me)
{
	byte left;
	byte my_number;
	byte life;
	byte w;
#ifdef IN_FLIGHT
	byte my_last;
	bool others;
#endif

	atomic { left = (me == 0 -> 2 : 1); life = crashes; begun[me] = true };
#ifdef IN_FLIGHT
	atomic {
		if
		:: life != crashes -> goto gone
		:: else -> holds[me] = true
		fi
	};
#endif

	do
	:: left > 0 ->
		atomic {
			if
			:: life != crashes -> goto gone
#ifdef NO_APPEND_LOCK
			:: life == crashes
#else
			:: life == crashes && !append_lock -> append_lock = true
#endif
			fi;
			/* the clock: behind, or ahead */
			if
			:: my_number = 0
			:: my_number = highest + 1
			fi;
#ifndef CLOCK_ALONE
			if
			:: my_number <= last -> my_number = last + 1
			:: else
			fi;
#endif
			if
			:: my_number < floor -> my_number = floor
			:: else
			fi;
			last = my_number;
			highest = (my_number > highest -> my_number : highest)
		};
#ifdef LOCK_FOR_NUMBER_ONLY
		append_lock = false;
#endif
		if
		:: atomic { life != crashes -> goto gone }
		:: atomic { /* the insertion fails: the number is not used */
			life == crashes ->
				append_lock = false;
				my_number = 0;
				goto abort
		   }
		:: atomic {
			life == crashes ->
				promise(nothing_before, my_number > seen);
#ifdef SEARCHES
				promise(latest, !latest_running[me] || my_number > latest_number);
#endif
#ifndef LOCK_FOR_NUMBER_ONLY
				promise(physical_order, length == 0 || number[length - 1] < my_number);
#endif
				number[length] = my_number;
				writer[length] = me;
				length++;
				append_lock = false;
#ifdef IN_FLIGHT
				my_last = my_number;
#endif
				my_number = 0;
				left--
		   }
		fi
	:: atomic { left == 0 -> break }
	od;
#ifdef IN_FLIGHT
	atomic {
		if
		:: life != crashes -> goto gone
		:: else
		fi;
#ifndef MARK_IGNORES_HOLDERS
		for (w : 0 .. WRITERS - 1) { others = others || (w != me && holds[w]) }
		w = 0;
#endif
		mark[me] = (others -> 0 : my_last);
		others = false;
		my_last = 0
	};
#endif

	if
	:: atomic { life != crashes -> goto gone }
	/* synchronous: nobody sees it before it is flushed */
	:: d_step { life == crashes -> log[me] = COMMITTED; flush() }
	:: d_step { life == crashes -> log[me] = COMMITTED }
	:: atomic { life == crashes -> goto abort }
	:: atomic { life == crashes -> prepared[me] = true; flush(); goto end_prepared }
	fi;
	goto ends;

abort:
	atomic {
		if
		:: life != crashes -> goto gone
		:: else -> log[me] = ABORTED
		fi
	};

ends:
	atomic { life == crashes -> running[me] = false };
#ifdef IN_FLIGHT
	atomic { life == crashes -> holds[me] = false };
#endif
	goto gone;

	/* A prepared transaction survives; other sessions end it. */
end_prepared:
	if
	:: d_step { log[me] = COMMITTED; flush() }
	:: d_step { log[me] = ABORTED; flush() }
	fi;
	/* A crash in between has done the rest. */
	atomic { running[me] = false; prepared[me] = false };
#ifdef IN_FLIGHT
	holds[me] = false;
#endif

gone:
	skip
}

proctype Reader()
{
	byte position; /* that of a client, which survives a crash */
	byte from;
	byte i;
	byte to;
	byte j;
	byte life;
	byte w;
	bool skips;
	bool shows[WRITERS]; /* transactions that had ended before the snapshot */
#ifdef IN_FLIGHT
	bool holders[WRITERS];
	bool counts[WRITERS];
#endif

start:
	atomic {
		from = 0; i = 0; to = 0; j = 0; skips = false;
		for (w : 0 .. WRITERS - 1) { shows[w] = false }
		w = 0;
#ifdef IN_FLIGHT
		for (w : 0 .. WRITERS - 1) { holders[w] = false; counts[w] = false }
		w = 0;
#endif
		life = crashes
	};

end_waits:
	atomic {
		from = position;
		for (w : 0 .. WRITERS - 1) { shows[w] = !running[w] }
		w = 0
	};
	atomic {
		if
		:: life != crashes -> goto start
		:: else -> to = length
		fi
	};

#ifdef IN_FLIGHT
#ifndef HOLDERS_LAST
	atomic {
		for (w : 0 .. WRITERS - 1) { holders[w] = holds[w] }
		w = 0
	};
#endif
	/* Which transactions that ran in the snapshot may have records? */
	do
	:: w < WRITERS ->
		if
		:: atomic { shows[w] -> w++ }
		:: atomic { !shows[w] && running[w] -> counts[w] = holders[w]; skips = true }
		:: atomic {
			!shows[w] && !running[w] ->
#ifdef COMMITTED_SINCE_IGNORED
				skip;
#else
				counts[w] = (log[w] == COMMITTED);
#endif
				w++
		   }
		fi;
		if
		:: skips ->
			atomic {
				skips = false;
#ifdef HOLDERS_LAST
				counts[w] = holds[w];
#endif
#ifdef HOLDERS_IGNORED
				counts[w] = false;
#endif
				w++
			}
		:: else
		fi
	:: else -> w = 0; break
	od;
	/*
	 * The walk begins at the last visible record, or where the first record
	 * of one that counts can be, whichever comes first.
	 */
	atomic {
		if
		:: life != crashes -> goto start
		:: else
		fi;
		i = to;
		do
		:: i > 0 && !(shows[writer[i - 1]] && log[writer[i - 1]] == COMMITTED) -> i--
		:: else -> break
		od;
		j = 0;
		do
		:: j < i && !counts[writer[j]] -> j++
		:: else -> break
		od;
		i = j;
		/* All before it is resolved. */
		do
		:: j > 0 && !(shows[writer[j - 1]] && log[writer[j - 1]] == COMMITTED) -> j--
		:: else -> break
		od;
		from = (j > 0 -> number[j - 1] : 0);
		j = 0;
		/* ... nor does it begin before a mark that holds in the snapshot. */
		for (w : 0 .. WRITERS - 1) {
#ifdef MARK_UNCHECKED
			from = (mark[w] > from -> mark[w] : from)
#else
			from = (shows[w] && mark[w] > from -> mark[w] : from)
#endif
		}
		w = 0
	};
#endif

walk:
	atomic {
		if
		:: life != crashes -> goto start
		:: else
		fi;
		do
		:: i < to && number[i] <= from -> i++
		:: else -> break
		od;
		if
		:: i == to -> goto ends
		:: else
		fi;
		if
		:: shows[writer[i]] && log[writer[i]] == COMMITTED ->
			/* It is visible: the reader gets it. */
			do
			:: j < i ->
#ifndef SEARCHES
				if
				:: number[j] > position ->
					promise(nothing_lost, log[writer[j]] != COMMITTED && !running[writer[j]])
				:: else
				fi;
#endif
				j++
			:: else -> break
			od;
			j = 0;
			from = number[i];
#ifndef SEARCHES
			position = from;
			seen = (position > seen -> position : seen);
#endif
			i++;
			goto walk
		:: else
		fi
	};

	/* is_aborted: the record is not visible */
#ifdef DID_COMMIT_FIRST
	atomic {
		if
		:: life != crashes -> goto start
		:: else -> skips = (log[writer[i]] != COMMITTED)
		fi
	};
#endif
	atomic {
		if
		:: life != crashes -> goto start
		:: running[writer[i]] -> goto unresolved
		:: else
		fi
	};
#ifdef DID_COMMIT_FIRST
	atomic {
		if
		:: skips -> skips = false; i++; goto walk
		:: else
		fi
	};
#else
#ifdef SNAPSHOT_IGNORED
	atomic { i++; goto walk };
#else
	atomic {
		if
		:: life != crashes -> goto start
		:: log[writer[i]] != COMMITTED -> i++; goto walk
		:: else
		fi
	};
#endif
#endif

unresolved:
#ifdef READS_PAST_UNRESOLVED
	atomic { i++; goto walk };
#endif

ends:
#ifdef SEARCHES
	atomic {
		if
		:: life != crashes -> goto start
		:: else
		fi;
#ifdef LATEST_FROM_LIVE_STATE
		i = length;
		do
		:: i > 0 && log[writer[i - 1]] != COMMITTED -> i--
		:: else -> break
		od;
		from = (i > 0 -> number[i - 1] : 0);
#endif
		latest_number = from;
		for (w : 0 .. WRITERS - 1) { latest_running[w] = !shows[w] }
		w = 0;
		do
		:: j < length ->
			promise(latest, number[j] > from || shows[writer[j]] ||
				(log[writer[j]] != COMMITTED && !running[writer[j]]));
			j++
		:: else -> break
		od
	};
#endif
	goto start
}

proctype Server()
{
	byte w;

end_server:
	do
	/* the WAL writer */
	:: d_step { crashes < CRASHES && length != disk_length -> flush() }
	:: d_step { crashes < CRASHES && (log[0] != disk_log[0] || log[1] != disk_log[1] || log[WRITERS - 1] != disk_log[WRITERS - 1]) -> flush() }
	:: d_step {
		crashes < CRASHES ->
			crashes++;
			do
			:: length > disk_length ->
				length--;
				number[length] = 0;
				writer[length] = 0
			:: else -> break
			od;
			for (w : 0 .. WRITERS - 1) {
				log[w] = disk_log[w];
				running[w] = !begun[w] || (prepared[w] && log[w] == NEITHER);
#ifdef IN_FLIGHT
				holds[w] = begun[w] && running[w];
				mark[w] = 0
#endif
			}
			w = 0;
			flush();
			append_lock = false;
			last = (length > 0 -> number[length - 1] : 0);
#ifndef NO_FLOOR
			floor = highest + 1
#endif
	   }
	od
}

init
{
	byte w;

	atomic {
		for (w : 0 .. WRITERS - 1) { run Writer(w) }
		run Reader();
		run Server()
	}
}
