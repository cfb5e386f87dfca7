/*
 * decoding.c
 *	  Keeping ddbstreams' own tables out of logical decoding.
 *
 * The subscriber of a publication FOR ALL TABLES has no tables of ddbstreams;
 * the first decoded row of one of them would stop the subscription.  Records
 * and catalogue rows are inserted without what decoding needs (heap_write.c).
 * For an UPDATE or DELETE there is no such flag.  But decoding passes over the
 * temporary heaps of table rewrites, which it knows by pg_class.relrewrite,
 * and nothing else reads that column.  So tables whose rows are updated or
 * deleted are marked as rewrites of themselves, and their TOAST tables too.
 *
 * pg_upgrade makes the tables anew and loses the mark; VACUUM FULL makes a
 * TOAST table anew and loses its mark.  The maintenance worker sets it again,
 * or heap_write_delete does if it comes first.
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

/* Is this the name of a shard or of a side table (shard_tables.c)? */
static bool
is_shard_name(const char *name)
{
	const char *number = strchr(name, '_');

	return number != NULL &&
		   (strncmp(name, "shard_", 6) == 0 || strncmp(name, "side_", 5) == 0) &&
		   number[1] != '\0' && strspn(number + 1, "0123456789") == strlen(number + 1);
}

bool
decoding_hide_all(void)
{
	Oid			schema = get_namespace_oid(DDBSTREAMS_SHARD_SCHEMA, false);
	Relation	rel = table_open(RelationRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	List	   *unmarked = NIL;
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
			unmarked = lappend_oid(unmarked, form->oid);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);

	foreach (lc, unmarked)
	{
		/* VACUUM changes the same row, under this lock. */
		if (!ConditionalLockRelationOid(lfirst_oid(lc), ShareUpdateExclusiveLock))
			all = false;
		else if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(lfirst_oid(lc))))
			decoding_hide(lfirst_oid(lc));
	}
	return all;
}

/*
 * hide_from_decoding(table_name regclass) returns void
 */
Datum
ddbstreams_hide_from_decoding(PG_FUNCTION_ARGS)
{
	decoding_hide(PG_GETARG_OID(0));
	PG_RETURN_VOID();
}
