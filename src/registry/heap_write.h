/*
 * heap_write.h
 *	  Writing rows of ddbstreams' own tables, unseen by logical decoding.
 */
#ifndef DDBSTREAMS_HEAP_WRITE_H
#define DDBSTREAMS_HEAP_WRITE_H

#include "postgres.h"

#include "access/htup.h"
#include "access/skey.h"
#include "utils/rel.h"

extern void heap_write_insert(Relation rel, Datum *values, bool *nulls);
extern void heap_write_delete(Relation rel, Oid index, int nkeys, ScanKey keys);

#endif /* DDBSTREAMS_HEAP_WRITE_H */
