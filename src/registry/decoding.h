/*
 * decoding.h
 *	  Keeping ddbstreams' own tables out of logical decoding.
 */
#ifndef DDBSTREAMS_DECODING_H
#define DDBSTREAMS_DECODING_H

#include "base/ddbstreams.h"

/* Does logical decoding pass over a table, which exists? */
extern bool decoding_is_hidden(Oid relid);

/* Hides a table, which exists, and its TOAST table from logical decoding. */
extern void decoding_hide(Oid relid);

/*
 * Hides those of ddbstreams' own tables that are not hidden, except shards,
 * into which records are inserted alone.  Takes each table's lock without
 * waiting, and returns false if one of them could not be had.
 */
extern bool decoding_hide_all(void);

#endif /* DDBSTREAMS_DECODING_H */
