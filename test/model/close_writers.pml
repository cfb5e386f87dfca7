/*
 * close_writers.pml
 *	  Two sessions write while a shard is closed.
 *
 * close.pml with two writers and one closing.
 *
 * Promise closed_for_good: nothing is appended to a shard that is closed
 * (src/shard/README).
 * Promise numbers_rise: the records of a key have rising numbers, over shards
 * (invariants 4 and 5).
 * Promise key_order: a reader gets each change of a row once, and in their
 * order, over shards (README.md).
 *
 * Mutation ROW_LOCK_ENDS_EARLY refutes key_order: a row can be changed by
 * others while its change is not committed.
 * Mutation NOT_LOOKED_AT_AGAIN refutes closed_for_good: a writer that was granted
 * its lock does not look whether the shard is still open.
 */
#define MANY_WRITERS
#include "close.pml"
