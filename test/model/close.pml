/*
 * close.pml
 *	  Shards are split and rolled over while others write and read.
 *
 * Abstracts
 *	  src/capture/writable_shards.c	load_shards, writable_shards_lock
 *	  src/capture/append.c			add_parts, begin_part,
 *								append_in_order
 *	  src/lineage/lineage.c			close_in_transaction, lock_and_write,
 *									write_closing
 *	  src/shard/shard_tables.c		shard_tables_close, shard_tables_publish
 *	  src/shard/shard_reader.c		the walk, as append.pml has it in detail
 *	  src/delivery/delivery_discover.c	parent_is_done
 *	  src/delivery/delivery_prepare.c	prepare_nothing: a shard is finished
 *	  src/consumer/consumer_view.c	consumer_view_is_eligible
 *	  PostgreSQL's order at a commit: it is visible first, then relcache messages
 *	  are sent, then locks are released; who is granted a lock gets the messages
 *
 * A stream with two keys and one shard.  WRITERS sessions change rows, in WRITES
 * transactions in all, each of one row; a transaction commits, aborts, or is
 * prepared and ended by another session.  CLOSERS sessions split or roll over
 * shards, CLOSINGS times in all, or give up.  A reader reads shards in any order
 * in which it may.  The clock was set back, and gives no number.
 *
 * Leaves out: crashes (a closing's commit is forced), lanes and leases, expiry,
 * several shards in a transaction, and the lists of shards that sessions keep
 * for other streams.
 *
 * Promise tiling: the open shards take each key once (src/shard/README).
 * Promise closed_for_good: nothing is appended to a shard that is closed
 * (src/shard/README).
 * Promise numbers_rise: the records of a key have rising numbers, over shards
 * (invariants 4 and 5).
 * Promise key_order: a reader gets each change of a row once, and in their
 * order, over shards (README.md).
 * Promise settled: a reader goes on to the children when the parent has no record
 * left that can become readable (docs/consumers.md).
 *
 * Mutation CLOSE_WITHOUT_LOCK refutes closed_for_good: a shard is closed without
 * the lock that no writer's goes with.
 * Mutation NOT_LOOKED_AT_AGAIN refutes closed_for_good: a writer that was granted
 * its lock does not look whether the shard is still open.
 * Mutation UNKNOWN_IGNORED refutes closed_for_good: a message about a shard that
 * comes while a session looks the shards up is lost.
 * Mutation NO_STREAM_LOCK refutes tiling: two sessions close shards of a stream
 * at the same time.
 * Mutation OPEN_BEFORE_LOCK refutes tiling: whether the shard is open is looked
 * up before the stream is locked.
 * Mutation CHILD_STARTS_BY_CLOCK refutes numbers_rise: a child's first number is
 * what the clock says.
 * Mutation EMPTY_SHARD_ENDS_AT_0 refutes numbers_rise: a shard without records
 * does not end at its starting number.
 * Mutation CHILDREN_FIRST refutes key_order: a reader does not wait for the end
 * of the parent.
 * Mutation LENGTH_BEFORE_SNAPSHOT refutes settled: the heap's length is taken
 * before the snapshot that shows the shard as closed.
 */
#include "promise.pml"

#define WRITES 2
#ifdef LARGE
#define WRITERS	 2
#define CLOSINGS 2
#define CLOSERS	 2
#elif defined(MANY_WRITERS)
#define WRITERS	 2
#define CLOSINGS 1
#define CLOSERS	 1
#elif defined(NO_STREAM_LOCK) || defined(OPEN_BEFORE_LOCK)
#define WRITERS	 1
#define CLOSINGS 2
#define CLOSERS	 2
#else
#define WRITERS	 1
#define CLOSINGS 2
#define CLOSERS	 1
#endif
#define SHARDS	(1 + 2 * CLOSINGS)
#define NONE	255

#define COMMITTED 1
#define ABORTED	  2

bool tiling = true;
bool closed_for_good = true;
bool numbers_rise = true;
bool key_order = true;
bool settled = true;

/* The catalogue: shards, as a new snapshot shows them */
byte shards = 1;
bool open[SHARDS];
byte parent[SHARDS];
bool takes0[SHARDS]; /* key 0 */
bool takes1[SHARDS];
byte starting[SHARDS];
byte messages; /* sent */

/* Locks */
bool stream_lock;
byte writers[SHARDS];
bool closing[SHARDS];
bool row_lock[2];

/* Records, in the order in which they were appended */
byte records;
byte shard_of[WRITES];
bit	 key_of[WRITES];
byte version_of[WRITES];
byte log[WRITES];
bool running[WRITES];

byte version[2]; /* of the rows */
byte key_number[2];
byte last[SHARDS]; /* number in the heap */
byte writes;
byte closings;

#define TAKES(s, key) (key == 0 -> takes0[s] : takes1[s])

inline find_open(key, s)
{
	s = NONE;
	for (i : 0 .. SHARDS - 1) {
		if
		:: i < shards && open[i] && TAKES(i, key) ->
			promise(tiling, s == NONE);
			s = i
		:: else
		fi
	}
	i = 0;
	promise(tiling, s != NONE)
}

proctype Writer()
{
	bit key;
	byte shard;
	byte known[2];
	bool stale = true;
	byte heard;
	byte i;
	byte r;
	byte now;
	byte changed;

start:
	atomic {
		if
		:: writes == WRITES ->
			known[0] = 0;
			known[1] = 0;
			heard = 0;
			stale = true;
			goto done
		:: else -> writes++
		fi;
		if
		:: key = 0
		:: key = 1
		fi
	};
	/* The row is changed, and locked until the end of the transaction. */
	atomic {
#ifndef ROW_LOCK_ENDS_EARLY
		!row_lock[key] -> row_lock[key] = true;
#endif
		changed = version[key] + 1
	};

look:
	/* load_if_stale */
	do
	:: stale ->
		atomic {
			stale = false;
			find_open(0, known[0]);
			find_open(1, known[1])
		};
		/* A message that comes now is of a table that is not known yet. */
		atomic {
			if
			:: skip
			::
#ifndef UNKNOWN_IGNORED
				stale = heard != messages;
#endif
				heard = messages
			fi
		}
	:: else -> break
	od;
	shard = known[key];
	atomic {
		!closing[shard] ->
			writers[shard]++;
			stale = stale || heard != messages;
			heard = messages
	};
#ifndef NOT_LOOKED_AT_AGAIN
	atomic {
		if
		:: stale -> writers[shard]--; goto look
		:: else
		fi
	};
#endif
	/* shard_log_append */
	atomic {
		promise(closed_for_good, open[shard]);
		now = (last[shard] + 1 > starting[shard] -> last[shard] + 1 : starting[shard]);
		r = records;
		records++;
		last[shard] = now;
		promise(numbers_rise, now > key_number[key]);
		key_number[key] = now;
		shard_of[r] = shard;
		key_of[r] = key;
		version_of[r] = changed;
		running[r] = true;
		now = 0
	};
	/* A prepared transaction is one that takes its time. */
	if
	:: log[r] = COMMITTED
	:: log[r] = ABORTED
	fi;
	atomic {
		if
		:: log[r] == COMMITTED -> version[key] = changed
		:: else
		fi;
		running[r] = false
	};
	atomic {
		writers[shard]--;
		row_lock[key] = false;
		r = 0;
		shard = 0;
		key = 0;
		changed = 0;
		goto start
	};
done:
	skip
}

proctype Closer()
{
	byte shard;
	byte ending;
	byte starts;
	byte i;
	bool splits;

start:
	if
	:: closings == CLOSINGS -> goto done
	:: else
	fi;
#ifdef OPEN_BEFORE_LOCK
	atomic { find_open(0, shard) };
#endif
#ifndef NO_STREAM_LOCK
	atomic { !stream_lock -> stream_lock = true };
#endif
	atomic {
		if
		:: closings == CLOSINGS ->
			stream_lock = false;
			shard = 0;
			goto start
		:: else -> closings++
		fi;
#ifndef OPEN_BEFORE_LOCK
		if
		:: find_open(0, shard)
		:: find_open(1, shard)
		fi;
#endif
		if
		:: takes0[shard] && takes1[shard] -> splits = true
		:: splits = false
		fi
	};
#ifndef CLOSE_WITHOUT_LOCK
	/* lock_briefly_and_write */
	if
	:: atomic { writers[shard] == 0 && !closing[shard] -> closing[shard] = true }
	:: atomic { stream_lock = false; shard = 0; splits = false; goto start }
	fi;
#endif
	/* write_closing, in a transaction that nobody sees yet */
#ifdef EMPTY_SHARD_ENDS_AT_0
	starts = last[shard] + 1;
#elif !defined(CHILD_STARTS_BY_CLOCK)
	starts = (last[shard] > starting[shard] -> last[shard] : starting[shard]) + 1;
#endif
	/* the commit */
	atomic {
		open[shard] = false;
		for (i : 0 .. 1) {
			if
			:: i == 0 || splits ->
				open[shards] = true;
				parent[shards] = shard;
				starting[shards] = starts;
				takes0[shards] = takes0[shard] && i == 0;
				takes1[shards] = takes1[shard] && (i == 1 || !splits);
				shards++
			:: else
			fi
		}
		i = 0
	};
	messages++;
	atomic {
		closing[shard] = false;
		stream_lock = false;
		shard = 0;
		starts = 0;
		splits = false;
		goto start
	};
done:
	skip
}

proctype Reader()
{
	bool finished[SHARDS];
	byte position[SHARDS]; /* how many records it has passed */
	byte got[2];		   /* versions of each row */
	bool shows[WRITES];
	byte shard;
	byte i;
	byte to;
	byte known; /* shards in the snapshot */
	bool is_closed;
	bool stops;

end_reader:
	/* a snapshot, and a shard that it shows */
	atomic {
#ifdef LENGTH_BEFORE_SNAPSHOT
		to = records
	};
	atomic {
#endif
		known = shards;
		if
		:: shard = 0
		:: known > 1 -> shard = 1
		:: known > 2 -> shard = 2
		:: known > 3 -> shard = 3
		:: known > 4 -> shard = 4
		fi;
		if
		:: finished[shard] -> known = 0; shard = 0; to = 0; goto end_reader
#ifndef CHILDREN_FIRST
		:: !finished[shard] && shard > 0 && !finished[parent[shard]] ->
			known = 0;
			shard = 0;
			to = 0;
			goto end_reader
#endif
		:: else
		fi;
		is_closed = !open[shard];
		for (i : 0 .. WRITES - 1) { shows[i] = (i < records && !running[i]) }
		i = 0
	};
	atomic {
#ifndef LENGTH_BEFORE_SNAPSHOT
		to = records;
#endif
		i = position[shard];
		do
		:: i < to && shard_of[i] != shard -> i++
		:: i < to && shard_of[i] == shard && shows[i] && log[i] == COMMITTED ->
			promise(key_order, version_of[i] == got[key_of[i]] + 1);
			got[key_of[i]] = version_of[i];
			i++;
			position[shard] = i
		:: i < to && shard_of[i] == shard && !(shows[i] && log[i] == COMMITTED) &&
		   (running[i] || log[i] == COMMITTED) ->
			stops = true;
			break
		:: i < to && shard_of[i] == shard && !running[i] && log[i] != COMMITTED ->
			i++;
			position[shard] = i
		:: i == to -> break
		od;
		if
		:: is_closed && !stops ->
			finished[shard] = true;
			do
			:: i < records ->
				promise(settled, shard_of[i] != shard || (!running[i] && log[i] != COMMITTED));
				i++
			:: else -> break
			od
		:: else
		fi;
		for (i : 0 .. WRITES - 1) { shows[i] = false }
		i = 0;
		to = 0;
		shard = 0;
		known = 0;
		is_closed = false;
		stops = false;
		goto end_reader
	}
}

init
{
	byte i;

	atomic {
		open[0] = true;
		takes0[0] = true;
		takes1[0] = true;
		starting[0] = 1;
		for (i : 1 .. WRITERS) { run Writer() }
		for (i : 1 .. CLOSERS) { run Closer() }
		run Reader()
	}
}
