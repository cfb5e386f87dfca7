/*
 * version_1_0.c
 *	  What the catalogue of version 1.0 and its update need of the library.
 */
#include "postgres.h"

#include "access/table.h"
#include "fmgr.h"
#include "utils/rel.h"

#include "registry/catalog_version.h"
#include "registry/stream_catalog.h"
#include "registry/stream_key.h"

PG_FUNCTION_INFO_V1(ddbstreams_stream_stats);
PG_FUNCTION_INFO_V1(ddbstreams_renew_hash_functions);

/*
 * stream_stats() returns setof record
 *
 * The function behind the view of this name in version 1.0, whose catalogue
 * cannot be read.
 */
Datum
ddbstreams_stream_stats(PG_FUNCTION_ARGS)
{
	catalog_version_check();
	elog(ERROR, "stream_stats() is a function of version 1.0");
}

/*
 * Version 1.0 kept the names of the hash functions of a key; since then the
 * types of its columns are kept, too.  The key hashes as it did.
 */
static void
renew_hash_functions(StreamInfo *stream)
{
	Relation rel = try_table_open(stream->table_oid, AccessShareLock);

	if (rel == NULL)
		return;
	stream = stream_catalog_lock(stream->stream_id);
	if (stream != NULL && StreamIsEnabled(stream))
	{
		stream->hash_functions = stream_key_hash_functions(rel,
														   stream->partition_count,
														   stream->partition_attnums);
		stream_catalog_replace(stream);
	}
	table_close(rel, NoLock);
}

/*
 * renew_hash_functions() returns void
 *
 * For the script that updates version 1.0, which drops it again.
 */
Datum
ddbstreams_renew_hash_functions(PG_FUNCTION_ARGS)
{
	ListCell *lc;

	foreach (lc, stream_catalog_list(InvalidOid, NULL))
	{
		StreamInfo *stream = lfirst(lc);

		if (StreamIsEnabled(stream))
			renew_hash_functions(stream);
	}
	PG_RETURN_VOID();
}
