/*
 * owner_sql.h
 *	  SQL on ddbstreams' own tables, whoever calls.
 */
#ifndef DDBSTREAMS_OWNER_SQL_H
#define DDBSTREAMS_OWNER_SQL_H

#include "base/ddbstreams.h"

#include "executor/spi.h"

typedef struct OwnerSql
{
	Oid save_userid;
	int save_sec_context;
	int save_nestlevel;
} OwnerSql;

extern void	  owner_sql_begin(OwnerSql *state);
extern uint64 owner_sql(const char *query, int nargs, const Oid *types,
						Datum *values, const char *nulls);
extern void	  owner_sql_end(OwnerSql *state);

#endif /* DDBSTREAMS_OWNER_SQL_H */
