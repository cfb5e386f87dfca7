/*
 * owner_sql.c
 *	  SQL on ddbstreams' own tables, whoever calls.
 *
 * Positions of mappings and consumers, unlike streams and shards, are kept in
 * plain tables that are read and updated by SQL.  It runs as the owner of the
 * extension and with search_path = pg_catalog, whatever the caller's rights and
 * settings are; names of our own are written with their schema.
 *
 *		owner_sql_begin(&state);
 *		count = owner_sql("select … from ddbstreams_shards.… where x = $1", …);
 *		... SPI_tuptable ...
 *		owner_sql_end(&state);
 *
 * What SPI allocates is gone after owner_sql_end; copy with SPI_palloc or in a
 * context of the caller's.  After an error the abort of the (sub)transaction
 * undoes owner_sql_begin.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "registry/owner_sql.h"
#include "registry/stream_catalog.h"

typedef struct PlanEntry
{
	const char *query; /* by its address: queries are literals */
	SPIPlanPtr	plan;
} PlanEntry;

static HTAB *plans = NULL;

void
owner_sql_begin(OwnerSql *state)
{
	Oid owner = stream_catalog_table_owner(catalog_table_oid(CATALOG_STREAM, false));

	GetUserIdAndSecContext(&state->save_userid, &state->save_sec_context);
	SetUserIdAndSecContext(owner,
						   state->save_sec_context | SECURITY_LOCAL_USERID_CHANGE);
	state->save_nestlevel = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp",
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true,
							 0, false);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
}

void
owner_sql_end(OwnerSql *state)
{
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
	AtEOXact_GUC(true, state->save_nestlevel);
	SetUserIdAndSecContext(state->save_userid, state->save_sec_context);
}

static SPIPlanPtr
find_plan(const char *query, int nargs, const Oid *types)
{
	PlanEntry *entry;
	bool	   found;

	if (plans == NULL)
	{
		HASHCTL ctl;

		ctl.keysize = sizeof(const char *);
		ctl.entrysize = sizeof(PlanEntry);
		plans = hash_create("ddbstreams plans", 32, &ctl, HASH_ELEM | HASH_BLOBS);
	}
	entry = hash_search(plans, &query, HASH_ENTER, &found);
	if (!found)
		entry->plan = NULL;
	if (entry->plan == NULL)
	{
		SPIPlanPtr plan = SPI_prepare(query, nargs, unconstify(Oid *, types));

		if (plan == NULL)
			elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
		if (SPI_keepplan(plan) != 0)
			elog(ERROR, "SPI_keepplan failed");
		entry->plan = plan;
	}
	return entry->plan;
}

/*
 * Runs one statement, whose text must be a literal (its plan is kept for the
 * session under its address), with a new snapshot where the isolation level
 * allows, and returns the number of rows; they are in SPI_tuptable.  nulls is
 * as for SPI_execute_plan, and may be NULL.
 */
uint64
owner_sql(const char *query, int nargs, const Oid *types, Datum *values,
		  const char *nulls)
{
	int result = SPI_execute_plan(find_plan(query, nargs, types), values, nulls,
								  false, 0);

	if (result < 0)
		elog(ERROR, "SPI_execute_plan failed: %s", SPI_result_code_string(result));
	return SPI_processed;
}
