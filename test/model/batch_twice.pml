/*
 * batch_twice.pml
 *	  Two handler workers run one unit, by mistake.
 *
 * batch.pml with two workers, without crashes and errors: what these cost is
 * promised for one worker alone.  The workers stop after MAX_CALLS writes.
 *
 * Promise exactly_once: "of two workers that run one unit by mistake only one
 * can commit" (src/delivery/README).
 *
 * Mutation POSITION_UNCHECKED refutes exactly_once: the position is written
 * whatever call_no stands there.
 * Mutation CALL_NO_KEPT_AT_END refutes exactly_once: the beginning of a call
 * raises call_no, and its end does not.
 * Mutation NO_ROW_LOCK refutes exactly_once: the position is compared and
 * written without a lock in between.
 */
#define TWICE
#include "batch.pml"
