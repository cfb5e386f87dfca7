/*
 * id_sequence.h
 *	  The identities of streams, shards, mappings and consumers.
 */
#ifndef DDBSTREAMS_ID_SEQUENCE_H
#define DDBSTREAMS_ID_SEQUENCE_H

#include "base/ddbstreams.h"

/*
 * Draws an identity, unique in this database.  The numbers begin with the
 * milliseconds from 2026 to the extension's creation, and so are below 2^48
 * for ages to come.
 */
extern int64 id_sequence_next(void);

#endif /* DDBSTREAMS_ID_SEQUENCE_H */
