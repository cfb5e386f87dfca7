/*
 * relation_size.h
 *	  The size of a relation on disk.
 */
#ifndef DDBSTREAMS_RELATION_SIZE_H
#define DDBSTREAMS_RELATION_SIZE_H

#include "base/ddbstreams.h"

#include "fmgr.h"

/*
 * Returns the size of a relation in bytes by one of PostgreSQL's functions,
 * pg_table_size or pg_total_relation_size; 0 if the relation has just gone.
 */
extern int64 relation_size(PGFunction size_function, Oid relid);

/*
 * Has a relation no page, or is it gone?  It is neither opened nor locked,
 * which would take ten times as long.
 */
extern bool relation_size_is_zero(Oid relid);

#endif /* DDBSTREAMS_RELATION_SIZE_H */
