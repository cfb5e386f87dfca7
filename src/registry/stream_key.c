/*
 * stream_key.c
 *	  The key of a table: which columns it has, and how they are hashed.
 *
 * A record goes to the shard that takes the hash of its partition key.  Equal
 * keys must hash alike as long as the stream is enabled.  So the stream keeps
 * a text that says how its key was hashed when it was enabled, and DDL that
 * would change it is refused (stream_guard.c).
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/relcache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "base/errors.h"
#include "registry/stream_key.h"

static TableKey *
key_from_index(Relation rel, Form_pg_index index)
{
	TableKey *key = palloc(sizeof(TableKey));

	key->count = index->indnkeyatts;
	key->attnums = palloc(key->count * sizeof(AttrNumber));
	key->names = palloc(key->count * sizeof(char *));
	key->deferrable = !index->indimmediate;
	for (int i = 0; i < key->count; i++)
	{
		key->attnums[i] = index->indkey.values[i];
		key->names[i] = get_attname(RelationGetRelid(rel), key->attnums[i], false);
	}
	return key;
}

TableKey *
stream_key_of(Relation rel)
{
	List	 *indexes = RelationGetIndexList(rel);
	TableKey *key = NULL;
	ListCell *lc;

	foreach (lc, indexes)
	{
		HeapTuple	  tuple = SearchSysCache1(INDEXRELID,
											  ObjectIdGetDatum(lfirst_oid(lc)));
		Form_pg_index index;

		if (!HeapTupleIsValid(tuple))
			continue;
		index = (Form_pg_index) GETSTRUCT(tuple);
		if (index->indisprimary && index->indisvalid)
			key = key_from_index(rel, index);
		ReleaseSysCache(tuple);
	}
	list_free(indexes);
	return key;
}

bool
stream_key_hash_find(Oid type, KeyHash *hash, MemoryContext context)
{
	TypeCacheEntry *typentry = lookup_type_cache(type, TYPECACHE_HASH_PROC_FINFO |
														   TYPECACHE_HASH_EXTENDED_PROC_FINFO);

	hash->is_narrow = !OidIsValid(typentry->hash_extended_proc);
	if (!hash->is_narrow)
		fmgr_info_copy(&hash->function, &typentry->hash_extended_proc_finfo, context);
	else if (OidIsValid(typentry->hash_proc))
		fmgr_info_copy(&hash->function, &typentry->hash_proc_finfo, context);
	else
		return false;
	return true;
}

static void append_type(StringInfo text, Oid type);

/*
 * A composite type hashes its attributes, which ALTER TYPE may change: its OID
 * is followed by them.
 */
static void
append_composite(StringInfo text, Oid type)
{
	TupleDesc desc = lookup_rowtype_tupdesc(type, -1);

	appendStringInfo(text, "%u(", type);
	for (int i = 0; i < desc->natts; i++)
	{
		if (TupleDescAttr(desc, i)->attisdropped)
			continue;
		appendStringInfoChar(text, ' ');
		append_type(text, TupleDescAttr(desc, i)->atttypid);
	}
	appendStringInfoChar(text, ')');
	ReleaseTupleDesc(desc);
}

/*
 * Appends what the hash of a type's values depends on beside the function: the
 * elements' type of an array, the type itself of an enum, whose values are
 * hashed by the OIDs of its labels.  Varchar is text.  OIDs of types survive
 * pg_upgrade; in a dump a stream has nothing of this.
 */
static void
append_type(StringInfo text, Oid type)
{
	Oid base = getBaseType(type);
	Oid element = get_element_type(base);

	if (OidIsValid(element))
	{
		appendStringInfoChar(text, '[');
		append_type(text, element);
		appendStringInfoChar(text, ']');
	}
	else if (get_typtype(base) == TYPTYPE_COMPOSITE)
		append_composite(text, base);
	else
		appendStringInfo(text, "%u", base == VARCHAROID ? TEXTOID : base);
}

bool
stream_key_hash_depends_on(const char *hash_functions, Oid type)
{
	/* "12(" is in " 412(", too: then there is a look too many. */
	return strstr(hash_functions, psprintf("%u(", type)) != NULL;
}

static void
raise_no_hash(Relation rel, Form_pg_attribute att)
{
	TableKey *key = stream_key_of(rel);

	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("column \"%s\" cannot be in the partition key: its type %s has no hash operator class",
					NameStr(att->attname), format_type_be(att->atttypid)),
			 key != NULL && key->count > 1 ?
				 errhint("Name other columns of the primary key as partition_key.") :
				 errhint("Give the table a primary key with a column of another type.")));
}

char *
stream_key_hash_functions(Relation rel, int count, const AttrNumber *attnums)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < count; i++)
	{
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel),
											  attnums[i] - 1);
		KeyHash			  hash;

		if (!stream_key_hash_find(att->atttypid, &hash, CurrentMemoryContext))
			raise_no_hash(rel, att);
		appendStringInfo(&text, "%s%s:", i > 0 ? " " : "",
						 get_func_name(hash.function.fn_oid));
		append_type(&text, att->atttypid);
		if (OidIsValid(att->attcollation) &&
			!get_collation_isdeterministic(att->attcollation))
			appendStringInfo(&text, "(%s)", get_collation_name(att->attcollation));
	}
	return text.data;
}

List *
stream_key_names(ArrayType *partition_key)
{
	List  *names = NIL;
	Datum *elems;
	bool  *nulls;
	int	   count;

	deconstruct_array(partition_key, TEXTOID, -1, false, TYPALIGN_INT, &elems,
					  &nulls, &count);
	if (ARR_NDIM(partition_key) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("partition_key must have one dimension")));
	if (count == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("partition_key names no column"),
				 errhint("Leave it out to take the whole primary key.")));
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			error_null_argument("partition_key");
		names = lappend(names, TextDatumGetCString(elems[i]));
	}
	return names;
}
