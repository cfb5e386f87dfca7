/*
 * own_sql.h
 *	  SQL on ddbstreams' own tables, whoever calls.
 */
#ifndef OWN_SQL_H
#define OWN_SQL_H

#include "base/ddbstreams.h"

#include "executor/spi.h"

typedef struct OwnSql
{
	Oid save_userid;
	int save_sec_context;
	int save_nestlevel;
} OwnSql;

extern void	  own_sql_begin(OwnSql *state);
extern uint64 own_sql(const char *query, int nargs, const Oid *types,
					  Datum *values, const char *nulls);
extern void	  own_sql_end(OwnSql *state);

#endif /* OWN_SQL_H */
