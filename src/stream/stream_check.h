/*
 * stream_check.h
 *	  Tasks of maintenance: is everything there that capture needs?
 *
 * All are called outside of transactions, in a maintenance worker.
 */
#ifndef DDBSTREAMS_STREAM_CHECK_H
#define DDBSTREAMS_STREAM_CHECK_H

#include "base/ddbstreams.h"

/*
 * Repairs capture triggers that are missing or do not always fire.  Locks a
 * table ShareRowExclusive, without waiting, if its triggers need it.
 */
extern void stream_check_triggers(void);

/* Repairs the definitions of streams that triggers carry into dumps. */
extern void stream_check_definitions(void);

/*
 * Takes streams of dropped tables from roles that have been dropped, too: then
 * superusers alone can read them.
 */
extern void stream_check_owners(void);

/*
 * Disables the streams of tables that another extension has taken over.  Locks
 * such a table as disable_stream does, without waiting.
 */
extern void stream_check_neighbours(void);

/*
 * In a thorough run: disables the streams of tables whose key is not what it
 * was, which was not seen when it happened.  Locks such a table likewise.
 */
extern void stream_check_keys(void);

/*
 * Keeps ddbstreams' own tables out of logical decoding that have lost the mark
 * for it, by pg_upgrade or by VACUUM FULL.
 */
extern void stream_check_decoding(void);

#endif /* DDBSTREAMS_STREAM_CHECK_H */
