/*
 * latest_search.pml
 *	  LATEST is found without a walk through the whole shard.
 *
 * latest.pml with a walk that begins where all before is resolved: at the last
 * visible record, or at the first one of a transaction that was in flight when
 * the snapshot was taken.  Abstracts last_visible_block and skip_resolved of
 * src/shard/shard_reader.c, src/shard/in_flight.c and src/shard/settled_marks.c,
 * where each writer leaves a mark if it is alone.  One page is one record; a
 * visible record shows that all before it was appended before the snapshot.
 *
 * Promise latest: the changes of all transactions that a snapshot does not show
 * are behind the LATEST that was found with it (invariant 6).
 *
 * Mutation HOLDERS_LAST refutes latest: which transactions run is asked before
 * which of them hold the lock.
 * Mutation HOLDERS_IGNORED refutes latest: a transaction that runs has no record
 * in the shard.
 * Mutation COMMITTED_SINCE_IGNORED refutes latest: a transaction that has ended
 * since the snapshot was taken is passed over.
 * Mutation MARK_IGNORES_HOLDERS refutes latest: a writer leaves its mark although
 * another one may have appended and has not ended.
 * Mutation MARK_UNCHECKED refutes latest: a mark holds also in a snapshot in which
 * its writer runs.
 */
#define SEARCHES
#define IN_FLIGHT
#ifndef LARGE
#define CRASHES 0
#endif
#include "append.pml"
