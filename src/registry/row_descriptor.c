/*
 * row_descriptor.c
 *	  What is needed to read an image without today's catalogues.
 *
 * A descriptor says of each column of a relation its name and type, how its
 * values lie in an image, and whether it is part of the key.  Each partition
 * has a descriptor of its own.  A descriptor's number is a hash of its
 * content, and an image names the number.  The hash is keyed with the
 * extension's secret: users choose names and types of columns, and two tables
 * whose descriptors had one number would have images that are decoded as the
 * other table's, numbers as pointers for example.
 *
 * A transaction that appends records writes the descriptors that these need
 * and that a fresh catalogue snapshot does not show.  Two transactions may
 * both write one: two equal rows do no harm, and neither transaction waits for
 * the other.  The trigger must not write them: a descriptor would be undone by
 * a rollback to a savepoint, and records that other changes of the transaction
 * make would name it all the same.
 *
 * A session keeps the descriptors that it has read until the table's relcache
 * entry is invalidated: all of them are deleted when there is no stream any
 * more (expiry.c), or with the extension.  The one by which a decoder reads a
 * record stays in memory even then: between two images of a record changes()
 * calls code of users, which may read any other stream.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_type.h"
#include "common/hmac.h"
#include "common/sha2.h"
#include "libpq/pqformat.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/relcache_callbacks.h"
#include "registry/catalog_table.h"
#include "registry/heap_write.h"
#include "registry/row_descriptor.h"
#include "typed_json/json_writer.h"
#include "typed_json/typed_json.h"

#define CONTENT_VERSION 1

#define Anum_row_descriptor_id		1
#define Anum_row_descriptor_content 2

/* A descriptor that this session has read from the table and decoded */
typedef struct DecodedEntry
{
	int64			  id;
	StoredDescriptor *stored;
} DecodedEntry;

static HTAB			*decoded = NULL;
static MemoryContext decoded_context = NULL;
static Oid			 decoded_table = InvalidOid; /* from which they were read */
static bool			 decoded_stale = false;

#define MAX_DECODED 1000

/* A descriptor that a change needs which this transaction has captured */
typedef struct UsedDescriptor
{
	struct UsedDescriptor *next;
	int64				   id;
	bytea				  *content;
	bool				   stored; /* in the table, by this transaction */
} UsedDescriptor;

static UsedDescriptor *used_descriptors = NULL;

static void
put_column(StringInfo buf, Form_pg_attribute att, AttrNumber root_attnum,
		   int key_position)
{
	int32		typmod = att->atttypmod;
	Oid			type = att->attisdropped ? InvalidOid :
										   getBaseTypeAndTypmod(att->atttypid, &typmod);
	ColumnForm	form;
	const char *name = att->attisdropped ? "" : NameStr(att->attname);

	if (att->attisdropped)
		form = COLUMN_DROPPED;
	else if (typed_json_is_raw(type) &&
			 att->attgenerated != COMPAT_GENERATED_VIRTUAL)
		form = COLUMN_RAW;
	else
		form = COLUMN_RENDERED;

	pq_sendbyte(buf, form);
	/*
	 * Not by pq_sendstring, which would convert it to the client's encoding.
	 */
	appendBinaryStringInfo(buf, name, strlen(name) + 1);
	pq_sendint32(buf, form == COLUMN_RAW ? type : InvalidOid);
	pq_sendint32(buf, form == COLUMN_RAW ? typmod : -1);
	pq_sendint16(buf, form == COLUMN_RENDERED ? -1 : att->attlen);
	pq_sendbyte(buf, form == COLUMN_RENDERED ? false : att->attbyval);
	pq_sendbyte(buf, form == COLUMN_RENDERED ? TYPALIGN_INT : att->attalign);
	pq_sendbyte(buf, att->attgenerated);
	pq_sendint16(buf, root_attnum);
	pq_sendint16(buf, key_position);
}

/* Returns what a typalign stands for. */
static uint8
alignment_of(char typalign)
{
	switch (typalign)
	{
		case TYPALIGN_DOUBLE:
			return ALIGNOF_DOUBLE;
		case TYPALIGN_INT:
			return ALIGNOF_INT;
		case TYPALIGN_SHORT:
			return ALIGNOF_SHORT;
		default:
			return 1;
	}
}

/* Makes what is written in front of a value that is written quickly. */
static void
make_lead(RowColumn *column)
{
	const char *lead = quick_value_lead(column->quick);

	column->lead_length = 1 + column->json_name_length + (int) strlen(lead);
	column->lead = palloc0(TYPEALIGN(16, column->lead_length + 1));
	snprintf(column->lead, column->lead_length + 1, ",%s%s", column->json_name, lead);
}

static void
finish_column(RowColumn *column, const FormData_pg_attribute *att)
{
	StringInfoData buf;

	initStringInfo(&buf);
	json_writer_append_string(&buf, column->name, strlen(column->name));
	appendStringInfoChar(&buf, ':');
	column->name_length = json_writer_utf8_length(column->name,
												  strlen(column->name));
	column->json_name = pnstrdup(buf.data, buf.len);
	column->json_name_length = buf.len;
	pfree(buf.data);
	column->attlen = att->attlen;
	column->attbyval = att->attbyval;
	column->alignment = alignment_of(att->attalign);
	column->quick = column->form == COLUMN_RAW ? quick_value_kind(column->type) : QUICK_NONE;
	make_lead(column);
}

/* Makes a descriptor from its content, in CurrentMemoryContext. */
static RowDescriptor *
parse_content(int64 id, bytea *content)
{
	StringInfoData buf;
	int			   natts;
	RowDescriptor *descriptor;

	buf.data = VARDATA_ANY(content);
	buf.len = buf.maxlen = VARSIZE_ANY_EXHDR(content);
	buf.cursor = 0;

	if (pq_getmsgbyte(&buf) != CONTENT_VERSION)
		elog(ERROR, "row descriptor " INT64_FORMAT " has an unknown version", id);
	natts = pq_getmsgint(&buf, 2);
	descriptor = palloc0(offsetof(RowDescriptor, columns) +
						 natts * sizeof(RowColumn));
	descriptor->id = id;
	descriptor->content = content;
	descriptor->natts = natts;
	descriptor->key_count = pq_getmsgint(&buf, 2);
	descriptor->key_attnums = palloc0(descriptor->key_count * sizeof(AttrNumber));
	descriptor->stored_desc = CreateTemplateTupleDesc(natts);

	for (int i = 0; i < natts; i++)
	{
		RowColumn		 *column = &descriptor->columns[i];
		Form_pg_attribute att = TupleDescAttr(descriptor->stored_desc, i);

		column->form = pq_getmsgbyte(&buf);
		column->name = pstrdup(pq_getmsgrawstring(&buf));
		column->type = pq_getmsgint(&buf, 4);
		column->typmod = (int32) pq_getmsgint(&buf, 4);
		memset(att, 0, ATTRIBUTE_FIXED_PART_SIZE);
		namestrcpy(&att->attname, column->name);
		att->attnum = i + 1;
		att->atttypmod = -1;
		att->atttypid = column->form == COLUMN_RAW ? column->type : BYTEAOID;
		att->attlen = (int16) pq_getmsgint(&buf, 2);
		att->attbyval = pq_getmsgbyte(&buf);
		att->attalign = pq_getmsgbyte(&buf);
		att->attstorage = att->attlen == -1 ? TYPSTORAGE_EXTENDED : TYPSTORAGE_PLAIN;
		att->attisdropped = column->form == COLUMN_DROPPED;
		column->is_virtual = pq_getmsgbyte(&buf) == COMPAT_GENERATED_VIRTUAL;
		column->root_attnum = pq_getmsgint(&buf, 2);
		column->key_position = pq_getmsgint(&buf, 2);
		compat_finish_attribute(descriptor->stored_desc, i);

		if (column->key_position > descriptor->key_count)
			elog(ERROR, "row descriptor " INT64_FORMAT " is damaged", id);
		if (column->key_position > 0)
			descriptor->key_attnums[column->key_position - 1] = i + 1;
		descriptor->has_rendered |= column->form == COLUMN_RENDERED;
		descriptor->has_virtual |= column->is_virtual;
		finish_column(column, att);
	}
	compat_finish_descriptor(descriptor->stored_desc);
	return descriptor;
}

/*
 * Returns the number of a partition's column in the root, which has a column
 * of the same name.
 */
static AttrNumber
number_in_root(Relation rel, Oid root, Form_pg_attribute att)
{
	if (att->attisdropped)
		return InvalidAttrNumber;
	if (RelationGetRelid(rel) == root)
		return att->attnum;
	return get_attnum(root, NameStr(att->attname));
}

/* Returns the number of a descriptor with this content. */
static int64
descriptor_number(const StringInfo content)
{
	bytea		*secret = catalog_table_secret();
	pg_hmac_ctx *hmac = pg_hmac_create(PG_SHA256);
	uint8		 mac[PG_SHA256_DIGEST_LENGTH];
	int64		 number;

	if (hmac == NULL ||
		pg_hmac_init(hmac, (uint8 *) VARDATA_ANY(secret),
					 VARSIZE_ANY_EXHDR(secret)) < 0 ||
		pg_hmac_update(hmac, (const uint8 *) content->data, content->len) < 0 ||
		pg_hmac_final(hmac, mac, sizeof(mac)) < 0)
		elog(ERROR, "could not compute the number of a row descriptor");
	pg_hmac_free(hmac);
	pfree(secret);
	memcpy(&number, mac, sizeof(number));
	return number;
}

RowDescriptor *
row_descriptor_build(Relation rel, Oid root, int key_count,
					 const AttrNumber *key_attnums)
{
	TupleDesc	   tupdesc = RelationGetDescr(rel);
	StringInfoData buf;
	bytea		  *content;
	int64		   id;

	initStringInfo(&buf);
	pq_sendbyte(&buf, CONTENT_VERSION);
	pq_sendint16(&buf, tupdesc->natts);
	pq_sendint16(&buf, key_count);
	for (int i = 0; i < tupdesc->natts; i++)
	{
		int key_position = 0;

		for (int k = 0; k < key_count; k++)
		{
			if (key_attnums[k] == i + 1)
				key_position = k + 1;
		}
		put_column(&buf, TupleDescAttr(tupdesc, i),
				   number_in_root(rel, root, TupleDescAttr(tupdesc, i)),
				   key_position);
	}

	id = descriptor_number(&buf);
	content = palloc(VARHDRSZ + buf.len);
	SET_VARSIZE(content, VARHDRSZ + buf.len);
	memcpy(VARDATA(content), buf.data, buf.len);
	pfree(buf.data);
	return parse_content(id, content);
}

/*
 * Returns the stored content of a descriptor, a copy, or NULL if a fresh
 * catalogue snapshot does not show it.
 */
static bytea *
stored_content(int64 id)
{
	Oid			relid = catalog_table_oid(CATALOG_ROW_DESCRIPTOR, false);
	Relation	rel = table_open(relid, AccessShareLock);
	List	   *indexes = RelationGetIndexList(rel);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bytea	   *content = NULL;

	ScanKeyInit(&key, Anum_row_descriptor_id, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(id));
	scan = systable_beginscan(rel, linitial_oid(indexes), true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool isnull;

		content = DatumGetByteaPCopy(heap_getattr(tuple,
												  Anum_row_descriptor_content,
												  RelationGetDescr(rel),
												  &isnull));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	list_free(indexes);
	return content;
}

/*
 * Relcache callback: descriptors are deleted, or the table is gone and another
 * one may have taken its place.
 */
static void
invalidate_decoded(Oid relid)
{
	if (relid == decoded_table || !OidIsValid(relid))
		decoded_stale = true;
}

/* Forgets all descriptors, but for those that are pinned. */
static void
forget_decoded(void)
{
	HASH_SEQ_STATUS status;
	DecodedEntry   *entry;

	hash_seq_init(&status, decoded);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		entry->stored->is_kept = false;
		if (entry->stored->pins > 0)
			MemoryContextSetParent(entry->stored->context, TopMemoryContext);
	}
	hash_destroy(decoded);
	decoded = NULL;
	MemoryContextDelete(decoded_context);
}

static void
prepare_decoded(void)
{
	static bool registered = false;
	HASHCTL		ctl;

	if (!registered)
	{
		relcache_callbacks_add(invalidate_decoded);
		registered = true;
	}

	if (decoded != NULL &&
		(decoded_stale || hash_get_num_entries(decoded) >= MAX_DECODED))
		forget_decoded();
	if (decoded == NULL)
	{
		decoded_context = AllocSetContextCreate(TopMemoryContext,
												"ddbstreams row descriptors",
												ALLOCSET_DEFAULT_SIZES);
		ctl.keysize = sizeof(int64);
		ctl.entrysize = sizeof(DecodedEntry);
		ctl.hcxt = decoded_context;
		decoded = hash_create("ddbstreams row descriptors", 16, &ctl,
							  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
		decoded_table = catalog_table_oid(CATALOG_ROW_DESCRIPTOR, false);
		decoded_stale = false;
	}
}

/* Decodes and keeps a descriptor that was read from the table. */
static StoredDescriptor *
remember_decoded(int64 id, bytea *content)
{
	MemoryContext	  context = AllocSetContextCreate(decoded_context,
													  "ddbstreams row descriptor",
													  ALLOCSET_SMALL_SIZES);
	MemoryContext	  oldcontext = MemoryContextSwitchTo(context);
	StoredDescriptor *stored = palloc0(sizeof(StoredDescriptor));
	DecodedEntry	 *entry;

	stored->context = context;
	stored->descriptor = parse_content(id, content);
	stored->descriptor->content = NULL; /* the caller's */
	MemoryContextSwitchTo(oldcontext);
	entry = hash_search(decoded, &id, HASH_ENTER, NULL);
	entry->stored = stored;
	stored->is_kept = true;
	return stored;
}

StoredDescriptor *
row_descriptor_pin(int64 id)
{
	DecodedEntry	 *entry;
	StoredDescriptor *stored;

	prepare_decoded();
	entry = hash_search(decoded, &id, HASH_FIND, NULL);
	if (entry != NULL)
		stored = entry->stored;
	else
	{
		bytea *content = stored_content(id);

		if (content == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("row descriptor " INT64_FORMAT " is missing", id)));
		stored = remember_decoded(id, content);
	}
	stored->pins++;
	return stored;
}

void
row_descriptor_unpin(StoredDescriptor *stored)
{
	stored->pins--;
	if (stored->pins == 0 && !stored->is_kept)
		MemoryContextDelete(stored->context);
}

void
row_descriptor_use(const RowDescriptor *descriptor)
{
	UsedDescriptor *used;

	for (used = used_descriptors; used != NULL; used = used->next)
	{
		if (used->id == descriptor->id)
			return;
	}
	used = MemoryContextAlloc(TopTransactionContext, sizeof(UsedDescriptor));
	used->id = descriptor->id;
	used->stored = false;
	used->content = descriptor->content;
	used->next = used_descriptors;
	used_descriptors = used;
}

static bool
is_known_stored(const UsedDescriptor *used)
{
	return used->stored ||
		   (decoded != NULL && !decoded_stale &&
			hash_search(decoded, &used->id, HASH_FIND, NULL) != NULL);
}

bool
row_descriptor_all_stored(void)
{
	for (UsedDescriptor *used = used_descriptors; used; used = used->next)
	{
		if (!is_known_stored(used))
			return false;
	}
	return true;
}

void
row_descriptor_store_used(void)
{
	for (UsedDescriptor *used = used_descriptors; used; used = used->next)
	{
		Relation rel;
		Datum	 values[2];
		bool	 nulls[2] = {false, false};
		bytea	*content;

		prepare_decoded();
		if (is_known_stored(used))
			continue;
		content = stored_content(used->id);
		if (content != NULL)
		{
			if (VARSIZE_ANY_EXHDR(content) != VARSIZE_ANY_EXHDR(used->content) ||
				memcmp(VARDATA_ANY(content), VARDATA_ANY(used->content),
					   VARSIZE_ANY_EXHDR(content)) != 0)
				elog(ERROR, "two row descriptors have the number " INT64_FORMAT,
					 used->id);
			remember_decoded(used->id, content);
			continue;
		}
		rel = table_open(catalog_table_oid(CATALOG_ROW_DESCRIPTOR, false),
						 RowExclusiveLock);
		values[0] = Int64GetDatum(used->id);
		values[1] = PointerGetDatum(used->content);
		heap_write_insert(rel, values, nulls);
		used->stored = true;
		table_close(rel, NoLock);
	}
}

void
row_descriptor_forget_used(void)
{
	used_descriptors = NULL;
}
