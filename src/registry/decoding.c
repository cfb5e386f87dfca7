/*
 * decoding.c
 *	  Keeping ddbstreams' own tables out of logical decoding.
 *
 * A subscriber of a publication FOR ALL TABLES knows nothing of ddbstreams; the
 * first decoded row of one of its tables would stop the subscription.  Shards
 * and catalogue rows are inserted without what decoding needs (heap_write.c).
 * An UPDATE or DELETE has no such flag.  But decoding passes over the temporary
 * heaps of table rewrites, which it knows by pg_class.relrewrite; nothing else
 * reads that column.  So tables whose rows are updated or deleted are marked by
 * it as rewrites of themselves, their TOAST tables too.
 *
 * pg_upgrade makes the tables anew and loses the mark, VACUUM FULL does a TOAST
 * table; the maintenance worker sets it again (so do those who are about to write, if they come first).
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "fmgr.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "registry/decoding.h"

PG_FUNCTION_INFO_V1(ddbstreams_hide_from_decoding);

static Form_pg_class
class_form(HeapTuple tuple)
{
	return (Form_pg_class) GETSTRUCT(tuple);
}

/* Is a table, which exists, marked? */
bool
decoding_is_hidden(Oid relid)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	bool	  hidden;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	hidden = OidIsValid(class_form(tuple)->relrewrite);
	ReleaseSysCache(tuple);
	return hidden;
}

/* Marks a table and its TOAST table. */
void
decoding_hide(Oid relid)
{
	Relation  rel = table_open(RelationRelationId, RowExclusiveLock);
	HeapTuple tuple = SearchSysCacheCopy1(RELOID, ObjectIdGetDatum(relid));
	Oid		  toast;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	toast = class_form(tuple)->reltoastrelid;
	class_form(tuple)->relrewrite = relid;
	CatalogTupleUpdate(rel, &tuple->t_self, tuple);
	heap_freetuple(tuple);
	table_close(rel, NoLock);
	CommandCounterIncrement();
	if (OidIsValid(toast))
		decoding_hide(toast);
}

/* Is a name one that shard_tables.c gives? */
static bool
is_shard_name(const char *name)
{
	const char *number = strchr(name, '_');

	return number != NULL &&
		   (strncmp(name, "shard_", 6) == 0 || strncmp(name, "side_", 5) == 0) &&
		   number[1] != '\0' && strspn(number + 1, "0123456789") == strlen(number + 1);
}

/*
 * Marks those of ddbstreams' own tables that are not marked, all but shards.
 * Returns false if some are locked just now.
 */
bool
decoding_hide_all(void)
{
	Oid			schema = get_namespace_oid(DDBSTREAMS_SHARD_SCHEMA, false);
	Relation	rel = table_open(RelationRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	List	   *lost = NIL;
	HeapTuple	tuple;
	bool		all = true;
	ListCell   *lc;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_class form = class_form(tuple);

		if (form->relnamespace == schema && form->relkind == RELKIND_RELATION &&
			!is_shard_name(NameStr(form->relname)) &&
			(!OidIsValid(form->relrewrite) ||
			 (OidIsValid(form->reltoastrelid) &&
			  !decoding_is_hidden(form->reltoastrelid))))
			lost = lappend_oid(lost, form->oid);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);

	foreach (lc, lost)
	{
		/* VACUUM changes the same row, under this lock. */
		if (!ConditionalLockRelationOid(lfirst_oid(lc), ShareUpdateExclusiveLock))
			all = false;
		else if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(lfirst_oid(lc))))
			decoding_hide(lfirst_oid(lc));
	}
	return all;
}

/* hide_from_decoding(table_name regclass) returns void */
Datum
ddbstreams_hide_from_decoding(PG_FUNCTION_ARGS)
{
	decoding_hide(PG_GETARG_OID(0));
	PG_RETURN_VOID();
}
