/*
 * lease.pml
 *	  Workers of a consumer group take one shard's lease from each other.
 *
 * Abstracts
 *	  src/consumer/consumer_poll.c		lock_and_read
 *	  src/consumer/consumer_lease.c		consumer_lease_lock_own,
 *										consumer_lease_take_free, adopt
 *	  src/consumer/consumer_catalog.c	the locks of rows: SKIP LOCKED by poll(),
 *	  src/registry/own_row.c			waited for by checkpoint()
 *	  src/consumer/consumer_sql.c		ddbstreams_checkpoint, check_checkpoint
 *
 * One shard with RECORDS records, and two workers, one of which has two
 * sessions.  A session polls one record or two, processes them and checkpoints
 * the last one: in one transaction or in three, and then it may keep
 * what it has polled for as long as it likes.  Each transaction may roll back.
 * A lease expires at any moment.
 *
 * Leaves out: several leases and the fair share, hand-over, the retention,
 * children (close.pml), and waiting.
 *
 * Promise in_order: a record takes effect only when the one before it has
 * (docs/consumers.md).
 * Promise exactly_once: in one transaction each record takes effect once: no
 * other worker moves the checkpoint meanwhile (docs/consumers.md).
 * Promise fenced: a worker checkpoints only what poll() has returned to it since
 * it got the lease (src/consumer/README).
 *
 * Mutation NO_ROW_LOCK refutes exactly_once: poll() does not keep the lease's row
 * locked until the end of the transaction.
 * Mutation OWNER_UNCHECKED refutes fenced: checkpoint() does not ask who has the
 * lease.
 * Mutation BEYOND_RETURNED refutes in_order: a worker checkpoints a record that
 * poll() has not returned.
 * Mutation RETURNED_KEPT refutes fenced: a worker that gets a lease may go on
 * with what was returned before.
 */
#include "promise.pml"

#ifdef LARGE
#define RECORDS 4
#define EXPIRES 5
#else
#define RECORDS 3
#define EXPIRES 2
#endif
#define NOBODY 2

bool in_order = true;
bool exactly_once = true;
bool fenced = true;

/* The row of consumer_lease, as it is committed */
byte owner = NOBODY;
bool expired;
byte checkpoint;
byte returned;
bool row_locked;

byte effects; /* records that have taken effect, from the first one on */
byte expiries;
byte tenure; /* how often the lease has changed hands */
byte given;	 /* the last record that was returned in this tenure */

proctype Worker(bit me)
{
	byte polled; /* the last record that was returned; 0: none */
	byte from;   /* the checkpoint behind which it was */
	byte my_tenure;
	bool once;
	byte new_owner;

end_worker:
	do
	/* poll() */
	:: atomic {
		checkpoint < RECORDS && !row_locked && (owner == me || owner == NOBODY || expired) ->
#ifndef NO_ROW_LOCK
			row_locked = true;
#endif
			from = checkpoint;
			if
			:: polled = checkpoint + 1
			:: checkpoint + 2 <= RECORDS -> polled = checkpoint + 2
			fi;
			my_tenure = (owner == me && !expired -> tenure : tenure + 1);
			if
			:: once = true
			:: once = false
			fi
	   };
		if
		:: atomic { row_locked = false; polled = 0; from = 0; my_tenure = 0; once = false } /* rolled back */
		:: atomic { once ->
				/* effects, checkpoint() and COMMIT */
				promise(in_order, effects >= from);
				promise(exactly_once, checkpoint == from);
				effects = (polled > effects -> polled : effects);
				given = polled;
				checkpoint = polled;
				returned = polled;
				owner = me;
				tenure = my_tenure;
				expired = false;
				row_locked = false;
				polled = 0;
				from = 0;
				my_tenure = 0;
				once = false
		   }
		:: atomic { !once ->
				/* COMMIT of poll() alone */
				if
				:: my_tenure != tenure ->
#ifndef RETURNED_KEPT
					returned = checkpoint;
#endif
					tenure = my_tenure;
					given = 0
				:: else
				fi;
				given = (polled > given -> polled : given);
				owner = me;
				expired = false;
				returned = (polled > returned -> polled : returned);
				row_locked = false
		   };
			/* the effects, outside of the database */
			atomic {
				promise(in_order, effects >= from);
				effects = (polled > effects -> polled : effects)
			};
			/* checkpoint() waits for the row */
			if
			:: atomic { !row_locked ->
#ifdef OWNER_UNCHECKED
					if
					:: polled <= returned && polled >= checkpoint ->
#else
					if
					:: owner == me && polled <= returned && polled >= checkpoint ->
#endif
						promise(fenced, owner == me && polled <= given);
#ifdef BEYOND_RETURNED
						checkpoint = RECORDS - 1;
#else
						checkpoint = polled;
#endif
						expired = false
					:: else
					fi
			   }
			:: skip /* it dies, or forgets */
			fi;
			atomic { polled = 0; from = 0; my_tenure = 0 }
		fi
	od
}

proctype Clock()
{
end_clock:
	do
	:: atomic { owner != NOBODY && !expired && expiries < EXPIRES -> expired = true; expiries++ }
	od
}

init
{
	atomic { run Worker(0); run Worker(0); run Worker(1); run Clock() }
}
