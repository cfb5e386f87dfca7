/*
 * own_tables.c
 *	  The tables of schema ddbstreams_shards, which only ddbstreams writes to.
 *
 * C code trusts what these tables say: which role a handler runs as, which
 * table is a shard, how an image is decoded.  So nobody else may write there,
 * whatever rights the role has: pg_write_all_data and superusers neither.
 *
 * Each own table has two guards, triggers that fire before a statement and
 * after each row, under every session_replication_role.  The apply worker of a
 * subscription knows rows alone; a trigger before the row would have every
 * UPDATE lock its row first.  They raise an error unless the statement is
 * one that ddbstreams runs (owner_sql.c), which is known by a variable and not
 * by the role.  Heap functions (heap_write.c, shard_log.c) fire no triggers.
 *
 * Nobody reads here what the public functions would not show.
 * Row-level security without a policy keeps roles out that may read all
 * tables (pg_read_all_data); the owner, as which owner_sql.c reads, is exempt.
 * Such roles may read pg_statistic, too, so ANALYZE copies no values there.
 *
 * What DDL could do to these tables is refused by module/own_table_guard.c.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_trigger.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "nodes/parsenodes.h"
#include "parser/parse_func.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "registry/own_tables.h"

#define STATEMENT_GUARD "ddbstreams_append_only"
#define ROW_GUARD		"ddbstreams_no_rows"

PG_FUNCTION_INFO_V1(ddbstreams_refuse_change);
PG_FUNCTION_INFO_V1(ddbstreams_protect_table);

/*
 * The nesting level of the transaction in which a statement of ddbstreams runs
 * that may write to own tables; 0 if none does
 */
static int writing_level = 0;

bool
own_tables_contain(Oid relid)
{
	Oid schema = get_namespace_oid(DDBSTREAMS_SHARD_SCHEMA, true);
	Oid extension;

	if (!OidIsValid(schema) || get_rel_namespace(relid) != schema)
		return false;
	extension = get_extension_oid(DDBSTREAMS_EXTENSION, true);
	return OidIsValid(extension) &&
		   getExtensionOfObject(RelationRelationId, relid) == extension;
}

int
own_tables_begin_write(void)
{
	int previous = writing_level;

	writing_level = GetCurrentTransactionNestLevel();
	return previous;
}

void
own_tables_end_write(int previous)
{
	writing_level = previous;
}

bool
own_tables_may_write(void)
{
	return writing_level > 0;
}

void
own_tables_end_transaction(void)
{
	writing_level = 0;
}

void
own_tables_cut(void)
{
	if (writing_level >= GetCurrentTransactionNestLevel())
		writing_level = 0;
}

/*
 * refuse_change() returns trigger
 *
 * Fires before every change of an own table that goes through the executor.
 */
Datum
ddbstreams_refuse_change(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called by a trigger",
						OWN_TABLES_GUARD_FUNCTION)));
	if (!own_tables_may_write())
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("table \"%s\" of ddbstreams cannot be changed by SQL",
						RelationGetRelationName(trigdata->tg_relation)),
				 errdetail("Only ddbstreams itself writes to the tables of schema \"%s\".",
						   DDBSTREAMS_SHARD_SCHEMA),
				 errhint("Use the functions of schema \"%s\".", DDBSTREAMS_SCHEMA)));
	return PointerGetDatum(NULL);
}

/* Makes a guard, unless an earlier version of the extension has made it. */
static void
make_guard(Oid relid, char *name, bool row, int16 timing, int16 events)
{
	List		   *function = list_make2(makeString(DDBSTREAMS_SHARD_SCHEMA),
										  makeString(OWN_TABLES_GUARD_FUNCTION));
	CreateTrigStmt *stmt = makeNode(CreateTrigStmt);

	if (OidIsValid(get_trigger_oid(relid, name, true)))
		return;
	stmt->trigname = name;
	stmt->row = row;
	stmt->timing = timing;
	stmt->events = events;
	CreateTriggerFiringOn(stmt, NULL, relid, InvalidOid, InvalidOid, InvalidOid,
						  LookupFuncName(function, 0, NULL, false), InvalidOid,
						  NULL, false, false, TRIGGER_FIRES_ALWAYS);
	CommandCounterIncrement();
}

static void
enable_row_security(Oid relid)
{
	Relation  rel = table_open(RelationRelationId, RowExclusiveLock);
	HeapTuple tuple = SearchSysCacheCopy1(RELOID, ObjectIdGetDatum(relid));

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	((Form_pg_class) GETSTRUCT(tuple))->relrowsecurity = true;
	CatalogTupleUpdate(rel, &tuple->t_self, tuple);
	heap_freetuple(tuple);
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
}

/*
 * Keeps ANALYZE from collecting values of columns that may hold data of users:
 * all but those of fixed length, which are numbers and times.
 */
static void
forbid_statistics(Oid relid)
{
	Relation  pg_attribute = table_open(AttributeRelationId, RowExclusiveLock);
	HeapTuple tuple;

	for (AttrNumber attnum = 1;
		 HeapTupleIsValid(tuple = SearchSysCacheCopyAttNum(relid, attnum));
		 attnum++)
	{
		Datum	  values[Natts_pg_attribute] = {0};
		bool	  nulls[Natts_pg_attribute] = {false};
		bool	  replaces[Natts_pg_attribute] = {false};
		HeapTuple changed;

		if (((Form_pg_attribute) GETSTRUCT(tuple))->attlen > 0)
			continue;
		values[Anum_pg_attribute_attstattarget - 1] = Int16GetDatum(0);
		replaces[Anum_pg_attribute_attstattarget - 1] = true;
		changed = heap_modify_tuple(tuple, RelationGetDescr(pg_attribute),
									values, nulls, replaces);
		CatalogTupleUpdate(pg_attribute, &tuple->t_self, changed);
	}
	table_close(pg_attribute, RowExclusiveLock);
	CommandCounterIncrement();
}

void
own_tables_protect(Oid relid)
{
	make_guard(relid, STATEMENT_GUARD, false, TRIGGER_TYPE_BEFORE,
			   TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_DELETE |
				   TRIGGER_TYPE_TRUNCATE);
	make_guard(relid, ROW_GUARD, true, TRIGGER_TYPE_AFTER,
			   TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_DELETE);
	enable_row_security(relid);
	forbid_statistics(relid);
}

/*
 * protect_table(table_name regclass) returns void
 *
 * For the scripts of the extension, and for nobody else.
 */
Datum
ddbstreams_protect_table(PG_FUNCTION_ARGS)
{
	own_tables_protect(PG_GETARG_OID(0));
	PG_RETURN_VOID();
}
