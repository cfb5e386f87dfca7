/*
 * relcache_callbacks.h
 *	  The one relcache callback of ddbstreams.
 */
#ifndef DDBSTREAMS_RELCACHE_CALLBACKS_H
#define DDBSTREAMS_RELCACHE_CALLBACKS_H

#include "base/ddbstreams.h"

/*
 * Called when what is known of a relation may be out of date, or, with
 * InvalidOid, of any relation.  It may be called at any time: it must only
 * mark.
 */
typedef void (*RelcacheCallback)(Oid relid);

/* Adds a callback for the rest of the session. */
extern void relcache_callbacks_add(RelcacheCallback callback);

#endif /* DDBSTREAMS_RELCACHE_CALLBACKS_H */
