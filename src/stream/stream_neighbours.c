/*
 * stream_neighbours.c
 *	  Tables whose rows another extension keeps elsewhere.
 *
 * Citus keeps the rows of its tables in shards, which are tables of other
 * names, and TimescaleDB those of a hypertable in chunks, which it rewrites in
 * its own ways; Cypher statements of Apache AGE write to label tables and fire
 * no row trigger.  A stream on such a table would capture nothing, or not
 * everything.
 *
 * Each of these extensions has a table that lists the tables concerned.  A
 * name alone proves nothing: the list is read only if it is a member of the
 * installed extension, and has the columns that are expected.  TimescaleDB
 * lists chunks by name, and from some version on by OID.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "stream/stream_neighbours.h"

/* A list of tables, by their OIDs, or by schema and name */
typedef struct Neighbour
{
	const char *extension;
	const char *schema; /* of the list */
	const char *list;
	const char *oid_column;	   /* or NULL */
	const char *schema_column; /* if the list has no oid_column */
	const char *name_column;
	const char *claim;
	const char *hint;
} Neighbour;

static const Neighbour neighbours[] = {
	{"citus", "pg_catalog", "pg_dist_partition", "logicalrelid", NULL, NULL,
	 "a table of Citus, which keeps its rows in shards",
	 "Call undistribute_table first, or keep the table out of Citus."},
	{"timescaledb", "_timescaledb_catalog", "hypertable", "relid", "schema_name",
	 "table_name", "a hypertable, which keeps its rows in chunks",
	 "Use a table that PostgreSQL itself partitions."},
	{"timescaledb", "_timescaledb_catalog", "chunk", "relid", "schema_name",
	 "table_name", "a chunk of a hypertable, which is written past triggers",
	 "Use a table that PostgreSQL itself partitions."},
	{"age", "ag_catalog", "ag_label", "relation", NULL, NULL,
	 "a label of Apache AGE, which writes past triggers",
	 "Keep the rows in a table of your own."}};

/* Returns a list of an extension, or InvalidOid if it is not installed. */
static Oid
find_list(const char *extension_name, const char *schema_name, const char *name)
{
	Oid extension = get_extension_oid(extension_name, true);
	Oid schema = get_namespace_oid(schema_name, true);
	Oid relid;

	if (!OidIsValid(extension) || !OidIsValid(schema))
		return InvalidOid;
	relid = get_relname_relid(name, schema);
	if (!OidIsValid(relid) || get_rel_relkind(relid) != RELKIND_RELATION ||
		getExtensionOfObject(RelationRelationId, relid) != extension)
		return InvalidOid;
	return relid;
}

/*
 * A table that may be in a list.  The strings are NULL if it is gone: one that
 * is not locked may be dropped meanwhile.
 */
typedef struct Candidate
{
	Oid				 relid;
	const char		*schema;
	const char		*name;
	const Neighbour *claimed_by; /* NULL: none so far */
} Candidate;

static Candidate
make_candidate(Oid relid)
{
	return (Candidate){.relid = relid,
					   .schema = get_namespace_name(get_rel_namespace(relid)),
					   .name = get_rel_name(relid)};
}

/* Where a list has what it names: its OID, or its schema and name */
typedef struct ListColumns
{
	AttrNumber relid; /* InvalidAttrNumber: not by OID */
	AttrNumber schema;
	AttrNumber name;
} ListColumns;

/* Finds the columns of a list; returns false if it is of another form. */
static bool
find_columns(const Neighbour *neighbour, Oid list, ListColumns *columns)
{
	Oid type;

	memset(columns, 0, sizeof(ListColumns));
	if (neighbour->oid_column != NULL)
		columns->relid = get_attnum(list, neighbour->oid_column);
	if (columns->relid > 0)
	{
		type = get_atttype(list, columns->relid);
		return type == OIDOID || type == REGCLASSOID;
	}
	if (neighbour->schema_column == NULL)
		return false;
	columns->schema = get_attnum(list, neighbour->schema_column);
	columns->name = get_attnum(list, neighbour->name_column);
	return columns->schema > 0 && columns->name > 0 &&
		   get_atttype(list, columns->schema) == NAMEOID &&
		   get_atttype(list, columns->name) == NAMEOID;
}

/* Returns a column's value; sets *isnull if it is null in any call. */
static Datum
get_value(Relation list, HeapTuple tuple, AttrNumber attnum, bool *isnull)
{
	bool  null;
	Datum value = heap_getattr(tuple, attnum, RelationGetDescr(list), &null);

	*isnull |= null;
	return value;
}

/* Notes that a row of a neighbour's list names some of the candidates. */
static void
look_up_row(const Neighbour *neighbour, Relation list, HeapTuple tuple,
			const ListColumns *columns, Candidate *candidates, int count)
{
	bool  isnull = false;
	bool  by_oid = columns->relid > 0;
	Datum first = get_value(list, tuple, by_oid ? columns->relid : columns->schema,
							&isnull);
	Datum name = by_oid ? (Datum) 0 : get_value(list, tuple, columns->name, &isnull);

	for (int i = 0; i < count && !isnull; i++)
	{
		Candidate *candidate = &candidates[i];
		bool	   is_named;

		if (by_oid)
			is_named = DatumGetObjectId(first) == candidate->relid;
		else
			is_named = candidate->schema != NULL && candidate->name != NULL &&
					   strcmp(NameStr(*DatumGetName(name)), candidate->name) == 0 &&
					   strcmp(NameStr(*DatumGetName(first)), candidate->schema) == 0;
		if (is_named && candidate->claimed_by == NULL)
			candidate->claimed_by = neighbour;
	}
}

/* Looks candidates up in a list, which may be long: it is read once. */
static void
look_up(const Neighbour *neighbour, Candidate *candidates, int count)
{
	Oid			oid = find_list(neighbour->extension, neighbour->schema,
								neighbour->list);
	Relation	list = OidIsValid(oid) ? try_relation_open(oid, AccessShareLock) : NULL;
	ListColumns columns;
	SysScanDesc scan;
	HeapTuple	tuple;

	if (list == NULL)
		return;
	if (find_columns(neighbour, oid, &columns))
	{
		scan = systable_beginscan(list, InvalidOid, false, NULL, 0, NULL);
		while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		{
			CHECK_FOR_INTERRUPTS();
			look_up_row(neighbour, list, tuple, &columns, candidates, count);
		}
		systable_endscan(scan);
	}
	table_close(list, AccessShareLock);
}

static void
look_up_everywhere(Candidate *candidates, int count)
{
	for (Size i = 0; count > 0 && i < lengthof(neighbours); i++)
		look_up(&neighbours[i], candidates, count);
}

const char *
stream_neighbours_claim(Oid relid, const char **hint)
{
	Candidate candidate = make_candidate(relid);

	if (candidate.name == NULL)
		return NULL;
	look_up_everywhere(&candidate, 1);
	if (candidate.claimed_by == NULL)
		return NULL;
	*hint = candidate.claimed_by->hint;
	return candidate.claimed_by->claim;
}

List *
stream_neighbours_claimed(List *relids)
{
	Candidate *candidates = palloc(Max(list_length(relids), 1) * sizeof(Candidate));
	int		   count = 0;
	List	  *claimed = NIL;
	ListCell  *lc;

	foreach (lc, relids)
		candidates[count++] = make_candidate(lfirst_oid(lc));
	look_up_everywhere(candidates, count);
	for (int i = 0; i < count; i++)
	{
		if (candidates[i].claimed_by != NULL)
			claimed = lappend_oid(claimed, candidates[i].relid);
	}
	return claimed;
}

/* Is a table a shard of the table that a row of pg_dist_shard has? */
static bool
is_placement_of(Relation list, HeapTuple tuple, AttrNumber table_attnum,
				AttrNumber number_attnum, Oid relid)
{
	const char *name = get_rel_name(relid);
	bool		table_isnull;
	bool		number_isnull;
	Datum		table = heap_getattr(tuple, table_attnum, RelationGetDescr(list),
									 &table_isnull);
	Datum		number = heap_getattr(tuple, number_attnum,
									  RelationGetDescr(list), &number_isnull);
	char	   *suffix;

	if (name == NULL || table_isnull || number_isnull ||
		get_rel_namespace(DatumGetObjectId(table)) != get_rel_namespace(relid))
		return false;
	suffix = psprintf("_" INT64_FORMAT, DatumGetInt64(number));
	return strlen(name) > strlen(suffix) &&
		   strcmp(name + strlen(name) - strlen(suffix), suffix) == 0;
}

bool
stream_neighbours_is_placement(Oid relid)
{
	Oid			oid = find_list("citus", "pg_catalog", "pg_dist_shard");
	Relation	list = OidIsValid(oid) ? try_relation_open(oid, AccessShareLock) : NULL;
	AttrNumber	table_attnum = get_attnum(oid, "logicalrelid");
	AttrNumber	number_attnum = get_attnum(oid, "shardid");
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		found = false;

	if (list == NULL)
		return false;
	if (get_atttype(oid, table_attnum) == REGCLASSOID &&
		get_atttype(oid, number_attnum) == INT8OID)
	{
		scan = systable_beginscan(list, InvalidOid, false, NULL, 0, NULL);
		while (!found && HeapTupleIsValid(tuple = systable_getnext(scan)))
			found = is_placement_of(list, tuple, table_attnum, number_attnum,
									relid);
		systable_endscan(scan);
	}
	table_close(list, AccessShareLock);
	return found;
}
