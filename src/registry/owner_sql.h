/*
 * owner_sql.h
 *	  SQL on ddbstreams' own tables, run as their owner.
 */
#ifndef DDBSTREAMS_OWNER_SQL_H
#define DDBSTREAMS_OWNER_SQL_H

#include "base/ddbstreams.h"

#include "executor/spi.h"
#include "nodes/pg_list.h"

struct TableRow; /* row.h */

/* What owner_sql_end sets back */
typedef struct OwnerSql
{
	Oid save_userid;
	int save_sec_context;
	int save_nestlevel;
} OwnerSql;

/* Makes one thing of a row that was read, in the current memory context. */
typedef void *(*OwnerSqlMaker)(const struct TableRow *row);

/*
 * Becomes the owner of the extension, with the owner's search_path, and back.
 */
extern void owner_sql_begin(OwnerSql *state);
extern void owner_sql_end(OwnerSql *state);

/*
 * Runs a statement that names columns of a row (row.h), between begin and end,
 * and returns the number of rows; they are in SPI_tuptable.
 */
extern uint64 owner_sql_run(const char *statement, const struct TableRow *row);

/*
 * Begins, runs one statement that names columns, and ends.  Returns the number
 * of rows.
 */
extern uint64 owner_sql_execute(const char *statement, const struct TableRow *row);

/*
 * Does the same with a statement that returns all columns of the row's list,
 * in their order.  Returns a list of what make makes of each row, in the
 * current memory context.
 */
extern List *owner_sql_list(const char *statement, const struct TableRow *row,
							OwnerSqlMaker make);

#endif /* DDBSTREAMS_OWNER_SQL_H */
