/*
 * owner_sql.h
 *	  SQL on ddbstreams' own tables, whoever calls.
 */
#ifndef DDBSTREAMS_OWNER_SQL_H
#define DDBSTREAMS_OWNER_SQL_H

#include "base/ddbstreams.h"

#include "executor/spi.h"
#include "nodes/pg_list.h"

struct TableRow; /* row.h */

typedef struct OwnerSql
{
	Oid save_userid;
	int save_sec_context;
	int save_nestlevel;
} OwnerSql;

/* Makes one thing of a row that was read, in the current memory context. */
typedef void *(*OwnerSqlMaker)(const struct TableRow *row);

extern void	  owner_sql_begin(OwnerSql *state);
extern uint64 owner_sql(const char *query, int nargs, const Oid *types,
						Datum *values, const char *nulls);
extern uint64 owner_sql_run(const char *statement, const struct TableRow *row);
extern void	  owner_sql_end(OwnerSql *state);

/* Each begins, runs one statement and ends. */
extern uint64 owner_sql_execute(const char *statement, const struct TableRow *row);
extern List	 *owner_sql_list(const char *statement, const struct TableRow *row,
							 OwnerSqlMaker make);

#endif /* DDBSTREAMS_OWNER_SQL_H */
