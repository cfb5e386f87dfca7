/*
 * extension_drop.h
 *	  DROP EXTENSION with more shards than one transaction can lock.
 */
#ifndef DDBSTREAMS_EXTENSION_DROP_H
#define DDBSTREAMS_EXTENSION_DROP_H

#include "base/ddbstreams.h"

#include "nodes/nodes.h"

/*
 * Called before a utility command that stands by itself, not in a function.
 * If it drops the extension, is given outside of a transaction block, and
 * would need too large a part of the server's lock table, then all streams are
 * removed here, in transactions of their own.
 */
extern void extension_drop_before(Node *command);

#endif /* DDBSTREAMS_EXTENSION_DROP_H */
