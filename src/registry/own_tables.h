/*
 * own_tables.h
 *	  The tables of schema ddbstreams_shards, which only ddbstreams writes to.
 */
#ifndef DDBSTREAMS_OWN_TABLES_H
#define DDBSTREAMS_OWN_TABLES_H

#include "base/ddbstreams.h"

/* The name of the function that the guards of an own table call */
#define OWN_TABLES_GUARD_FUNCTION "refuse_change"

/*
 * Is a relation one of the extension's own tables in this database?  It is if
 * it lies in schema ddbstreams_shards and is a member of the installed
 * extension; neither proves anything alone.
 */
extern bool own_tables_contain(Oid relid);

/*
 * Protects an own table: makes its guards, triggers that refuse every change
 * that is not ddbstreams' own, and switches row-level security on, with no
 * policy.  The caller runs as the table's owner.
 */
extern void own_tables_protect(Oid relid);

/*
 * From begin to end, the statement that is run may write to own tables.  It
 * must be one that ddbstreams has written, and must not run anybody's code but
 * PostgreSQL's.  begin returns what end wants.  After an error, the end of the
 * transaction or subtransaction takes the permission away.
 */
extern int	own_tables_begin_write(void);
extern void own_tables_end_write(int previous);
extern bool own_tables_may_write(void);

/*
 * For xact_callbacks.c: a transaction has ended, a subtransaction is aborted.
 */
extern void own_tables_end_transaction(void);
extern void own_tables_cut(void);

#endif /* DDBSTREAMS_OWN_TABLES_H */
