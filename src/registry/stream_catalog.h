/*
 * stream_catalog.h
 *	  The tables that say which streams and shards there are.
 */
#ifndef DDBSTREAMS_STREAM_CATALOG_H
#define DDBSTREAMS_STREAM_CATALOG_H

#include "base/ddbstreams.h"

#include "access/attnum.h"
#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "storage/lockdefs.h"
#include "utils/snapshot.h"

typedef enum CatalogTable
{
	CATALOG_STREAM,
	CATALOG_SHARD,
	CATALOG_ROW_DESCRIPTOR,
	CATALOG_SECRET
} CatalogTable;

typedef enum StreamViewType
{
	VIEW_KEYS_ONLY,
	VIEW_NEW_IMAGE,
	VIEW_OLD_IMAGE,
	VIEW_NEW_AND_OLD_IMAGES
} StreamViewType;

#define VIEW_HAS_NEW(view) \
	((view) == VIEW_NEW_IMAGE || (view) == VIEW_NEW_AND_OLD_IMAGES)
#define VIEW_HAS_OLD(view) \
	((view) == VIEW_OLD_IMAGE || (view) == VIEW_NEW_AND_OLD_IMAGES)

typedef struct StreamInfo
{
	int64		   stream_id;
	char		  *arn;
	Oid			   table_oid; /* what it was, if the table is dropped */
	bool		   table_dropped;
	char		  *table_name; /* as in the ARN */
	char		  *label;
	StreamViewType view_type;
	TimestampTz	   created_at;
	TimestampTz	   disabled_at; /* 0 while the stream is enabled */
	Interval	   retention;
	int64		   retention_usec;
	Oid			   owner; /* the table's; kept when it is dropped */
	int			   key_count;
	AttrNumber	  *key_attnums; /* of the table that the stream is on */
	char		 **key_columns; /* their present or last names */
	int			   partition_count;
	AttrNumber	  *partition_attnums;
	char		  *hash_functions; /* names, to notice a key that hashes anew */
	int64		   version;		   /* of this row */
} StreamInfo;

typedef struct ShardInfo
{
	int64		shard_no; /* unique in the database, for ever */
	int64		stream_id;
	char	   *shard_id;
	char	   *parent_shard_id; /* or NULL */
	int64		starting_number;
	int64		ending_number; /* valid if closed */
	uint64		hash_first;	   /* inclusive */
	uint64		hash_last;	   /* inclusive */
	Oid			shard_table;
	Oid			side_table;
	TimestampTz created_at;
	TimestampTz closed_at; /* 0 while the shard is open */
	int64		version;   /* of this row */
} ShardInfo;

#define StreamIsEnabled(stream) ((stream)->disabled_at == 0)
#define ShardIsOpen(shard)		((shard)->closed_at == 0)

extern const char *view_type_name(StreamViewType view_type);
extern bool		   view_type_parse(const char *name, StreamViewType *view_type);

extern Oid catalog_table_oid(CatalogTable table, bool missing_ok);

extern StreamInfo *stream_catalog_enabled(Oid table_oid, Snapshot snapshot);
extern StreamInfo *stream_catalog_latest(Oid table_oid, Snapshot snapshot);
extern StreamInfo *stream_catalog_by_arn(const char *arn, Snapshot snapshot);
extern StreamInfo *stream_catalog_by_id(int64 stream_id, Snapshot snapshot);
extern List		  *stream_catalog_list(Oid table_oid, Snapshot snapshot);
extern void		   stream_catalog_insert(StreamInfo *stream);
extern void		   stream_catalog_replace(StreamInfo *stream);
extern StreamInfo *stream_catalog_lock(int64 stream_id);
extern StreamInfo *stream_catalog_try_lock(int64 stream_id);
extern void		   stream_catalog_delete(const StreamInfo *stream);

extern List		 *shard_catalog_list(int64 stream_id, Snapshot snapshot);
extern ShardInfo *shard_catalog_find(int64 stream_id, const char *shard_id,
									 Snapshot snapshot);
extern ShardInfo *shard_catalog_by_no(int64 shard_no, Snapshot snapshot);
extern void		  shard_catalog_insert(ShardInfo *shard);
extern void		  shard_catalog_replace(ShardInfo *shard);
extern void		  shard_catalog_delete(const ShardInfo *shard);

extern int64  catalog_next_id(void);
extern bytea *catalog_secret(void);

/* The stream that captures a relation, and the table that it is on */
extern StreamInfo *stream_catalog_capturing(Oid relid, Oid *root);

extern Oid stream_catalog_table_owner(Oid relid);

#endif /* DDBSTREAMS_STREAM_CATALOG_H */
