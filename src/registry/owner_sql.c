/*
 * owner_sql.c
 *	  SQL on ddbstreams' own tables, run as their owner.
 *
 * Mappings, consumers and their positions, unlike streams and shards, are rows
 * of plain tables that are read and updated by SQL.  It runs as the owner of
 * the extension and with search_path = pg_catalog, whatever the caller's
 * rights and settings are; names of ddbstreams' own are written with their
 * schema.
 *
 *		owner_sql_begin(&state);
 *		count = owner_sql_run("SELECT … WHERE shard_no = $shard_no", &row);
 *		... SPI_tuptable ...
 *		owner_sql_end(&state);
 *
 * row.h says how a statement names the columns of its row.  owner_sql_execute
 * and owner_sql_list do all of this for one statement.
 *
 * What SPI allocates is gone after owner_sql_end; what is to stay is copied
 * with SPI_palloc, or in a memory context of the caller's.  After an error the
 * abort of the transaction or subtransaction undoes owner_sql_begin.
 *
 * A statement is a literal: its plan is kept for the session under its
 * address.  It runs with a new snapshot where the isolation level allows.
 *
 * A role could only misuse these rights if it could choose what runs here.  So
 * a statement never holds text from a caller, only parameters, and calls no
 * functions but those of pg_catalog.  (run_own_sql is for superusers.)
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "registry/catalog_table.h"
#include "registry/catalog_version.h"
#include "registry/own_tables.h"
#include "registry/owner_sql.h"
#include "registry/row.h"

/*
 * A plan is found by the addresses of its statement, a literal, and of the
 * list of columns that the statement was written out for.
 */
typedef struct PlanKey
{
	const char	   *statement;
	const RowTable *table;
} PlanKey;

typedef struct PlanEntry
{
	PlanKey	   key;
	SPIPlanPtr plan; /* NULL if preparing has failed */
} PlanEntry;

PG_FUNCTION_INFO_V1(ddbstreams_run_own_sql);

static HTAB *plans = NULL;

void
owner_sql_begin(OwnerSql *state)
{
	Oid owner = catalog_table_owner();

	catalog_version_check();
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

static PlanEntry *
find_plan(const char *statement, const RowTable *table)
{
	PlanKey	   key = {statement, table};
	PlanEntry *entry;
	bool	   found;

	if (plans == NULL)
	{
		HASHCTL ctl;

		ctl.keysize = sizeof(PlanKey);
		ctl.entrysize = sizeof(PlanEntry);
		plans = hash_create("ddbstreams plans", 32, &ctl, HASH_ELEM | HASH_BLOBS);
	}
	entry = hash_search(plans, &key, HASH_ENTER, &found);
	if (!found)
		entry->plan = NULL;
	return entry;
}

static void
prepare_plan(PlanEntry *entry, const char *sql, int nargs, const Oid *types)
{
	SPIPlanPtr plan = SPI_prepare(sql, nargs, unconstify(Oid *, types));

	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
	if (SPI_keepplan(plan) != 0)
		elog(ERROR, "SPI_keepplan failed");
	entry->plan = plan;
}

static uint64
execute_plan(SPIPlanPtr plan, Datum *values, const char *nulls)
{
	int previous = own_tables_begin_write();
	int result = SPI_execute_plan(plan, values, nulls, false, 0);

	own_tables_end_write(previous);
	if (result < 0)
		elog(ERROR, "SPI_execute_plan failed: %s", SPI_result_code_string(result));
	return SPI_processed;
}

uint64
owner_sql_run(const char *statement, const TableRow *row)
{
	const RowTable *table = row->table;
	PlanEntry	   *entry = find_plan(statement, table);
	char			nulls[ROW_MAX_COLUMNS];

	if (entry->plan == NULL)
	{
		char *sql = row_statement(table, statement);
		Oid	  types[ROW_MAX_COLUMNS];

		for (int i = 0; i < table->count; i++)
			types[i] = table->columns[i].type;
		prepare_plan(entry, sql, table->count, types);
		pfree(sql);
	}
	for (int i = 0; i < table->count; i++)
		nulls[i] = row->nulls[i] ? 'n' : ' ';
	return execute_plan(entry->plan, unconstify(TableRow *, row)->values,
						nulls);
}

uint64
owner_sql_execute(const char *statement, const TableRow *row)
{
	OwnerSql state;
	uint64	 count;

	owner_sql_begin(&state);
	count = owner_sql_run(statement, row);
	owner_sql_end(&state);
	return count;
}

List *
owner_sql_list(const char *statement, const TableRow *row, OwnerSqlMaker make)
{
	MemoryContext context = CurrentMemoryContext;
	MemoryContext oldcontext;
	List		 *result = NIL;
	OwnerSql	  state;
	uint64		  count;

	owner_sql_begin(&state);
	count = owner_sql_run(statement, row);
	row_check_columns(row->table, SPI_tuptable->tupdesc);
	oldcontext = MemoryContextSwitchTo(context);
	for (uint64 i = 0; i < count; i++)
	{
		TableRow found;

		row_read(&found, row->table, SPI_tuptable->vals[i], SPI_tuptable->tupdesc);
		result = lappend(result, make(&found));
	}
	MemoryContextSwitchTo(oldcontext);
	owner_sql_end(&state);
	return result;
}

/*
 * run_own_sql(statement text) returns void
 *
 * For tests, which declare it themselves: runs a statement that may write to
 * the tables of ddbstreams, to bring about what time or a crash would.
 */
Datum
ddbstreams_run_own_sql(PG_FUNCTION_ARGS)
{
	char	*statement = text_to_cstring(PG_GETARG_TEXT_PP(0));
	OwnerSql state;
	int		 previous;
	int		 result;

	if (!superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to write to tables of ddbstreams")));
	owner_sql_begin(&state);
	previous = own_tables_begin_write();
	result = SPI_execute(statement, false, 0);
	own_tables_end_write(previous);
	if (result < 0)
		elog(ERROR, "SPI_execute failed: %s", SPI_result_code_string(result));
	owner_sql_end(&state);
	PG_RETURN_VOID();
}
