/*
 * stream_key.c
 *	  The key of a table: which columns it has, and how they are hashed.
 *
 * A record goes to the shard that takes the hash of its partition key.  Equal
 * keys must hash alike as long as the stream is enabled.  So the stream keeps
 * the names of the hash functions that its key had when it was enabled, and
 * DDL that would change them is refused (stream_guard.c).
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
stream_key_hash_function(Oid type, FmgrInfo *finfo, MemoryContext context)
{
	TypeCacheEntry *typentry =
		lookup_type_cache(type, TYPECACHE_HASH_EXTENDED_PROC_FINFO);

	if (!OidIsValid(typentry->hash_extended_proc))
		return false;
	fmgr_info_copy(finfo, &typentry->hash_extended_proc_finfo, context);
	return true;
}

char *
stream_key_hash_functions(Relation rel, int count, const AttrNumber *attnums)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < count; i++)
	{
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel),
											  attnums[i] - 1);
		FmgrInfo		  hash;

		if (!stream_key_hash_function(att->atttypid, &hash,
									  CurrentMemoryContext))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("column \"%s\" cannot be in the partition key: its type %s has no hash operator class",
							NameStr(att->attname), format_type_be(att->atttypid)),
					 errhint("Name other columns of the primary key as partition_key.")));
		appendStringInfo(&names, "%s%s", i > 0 ? " " : "",
						 get_func_name(hash.fn_oid));
		if (OidIsValid(att->attcollation) &&
			!get_collation_isdeterministic(att->attcollation))
			appendStringInfo(&names, "(%s)", get_collation_name(att->attcollation));
	}
	return names.data;
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
			error_null_argument("partitionKey");
		names = lappend(names, TextDatumGetCString(elems[i]));
	}
	return names;
}
