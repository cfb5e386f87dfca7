/*
 * latest.pml
 *	  LATEST is a place in the snapshot of the statement.
 *
 * append.pml with a reader that finds LATEST (shard_reader_latest) at any
 * moment, without its hint; crashes come with --large.
 *
 * Promise latest: the changes of all transactions that a snapshot does not show
 * are behind the LATEST that was found with it (invariant 6).
 *
 * Mutation LATEST_FROM_LIVE_STATE refutes latest: LATEST is the last record that
 * has committed by now.
 * Mutation READS_PAST_UNRESOLVED refutes latest: the search passes over what is
 * in flight.
 * Mutation DID_COMMIT_FIRST refutes latest: whether a transaction has committed
 * is asked before whether it is in progress.
 */
#define SEARCHES
#ifndef LARGE
#define CRASHES 0
#endif
#include "append.pml"
