/*
 * stream_neighbours.h
 *	  Tables whose rows another extension keeps elsewhere.
 */
#ifndef DDBSTREAMS_STREAM_NEIGHBOURS_H
#define DDBSTREAMS_STREAM_NEIGHBOURS_H

#include "base/ddbstreams.h"

#include "nodes/pg_list.h"

/*
 * Returns what a table is to an extension that writes its rows past triggers,
 * or keeps them in other tables ("a table that Citus distributes"), and sets
 * *hint to what can be done.  Returns NULL for all other tables.
 */
extern const char *stream_neighbours_claim(Oid relid, const char **hint);

/*
 * Returns those of some tables of which this is so, as Oid; each extension's
 * list is read once for all of them.
 */
extern List *stream_neighbours_claimed(List *relids);

/* Is a table one of those in which Citus keeps the rows of others? */
extern bool stream_neighbours_is_placement(Oid relid);

#endif /* DDBSTREAMS_STREAM_NEIGHBOURS_H */
