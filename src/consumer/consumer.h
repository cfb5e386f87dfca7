/*
 * consumer.h
 *	  Consumer groups: clients that share the shards of a stream by leases.
 *
 * consumer		a named group of workers, of one stream
 * worker		what processes records: a name that a client gives itself, and
 *				that any session of the client may use
 * lease		a worker's right to a shard for a while, with the checkpoint:
 *				the consumer has one row for each shard, owned or not
 * checkpoint	the shard's records behind this number are still to be
 *				processed
 * owner		the worker that has the lease
 *
 * README in this folder has the states of a lease, the locks, and why a record
 * is processed exactly once.
 */
#ifndef DDBSTREAMS_CONSUMER_H
#define DDBSTREAMS_CONSUMER_H

#include "base/ddbstreams.h"

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "registry/shard_catalog.h"
#include "registry/stream_catalog.h"
#include "storage/itemptr.h"
#include "utils/snapshot.h"

#define CONSUMER_MAX_NAME 128 /* characters, of consumers and workers */

/* What a checkpoint was made from; see ddbstreams_shards.consumer_lease */
typedef enum CheckpointKind
{
	CHECKPOINT_TRIM_HORIZON = 'h',
	CHECKPOINT_LATEST = 'l',
	CHECKPOINT_NUMBER = 'n',
	CHECKPOINT_SHARD_END = 'e'
} CheckpointKind;

/*
 * The next three types are rows of tables of ddbstreams_shards; the install
 * script explains the columns.
 */

/* A row of consumer */
typedef struct ConsumerInfo
{
	int64 consumer_no;
	char *consumer_name;
	int64 stream_id;
	char *stream_arn;
	Oid	  role_id;
	int64 lease_usec; /* lease_duration */
	int64 lost_records;
	int64 untold_records;
} ConsumerInfo;

/* A row of consumer_lease */
typedef struct ConsumerLease
{
	int64		   shard_no;
	char		  *owner; /* or NULL */
	int64		   counter;
	CheckpointKind kind;
	int64		   checkpoint;
	int64		   returned;
	TimestampTz	   expires_at; /* 0: a worker has never owned the lease */
	int32		   owner_switches;
	int32		   attempts;
	TimestampTz	   returned_at; /* 0: never */
	int64		   lost_records;
	int64		   lost_told;
	char		  *last_error; /* or NULL */
	TimestampTz	   last_error_at;
	int32		   worker_pid; /* 0: none */

	ItemPointerData tid; /* of the row when it was locked; invalid: not known */
} ConsumerLease;

/* A row of consumer_worker */
typedef struct ConsumerWorker
{
	char	   *worker_id;
	TimestampTz expires_at;
} ConsumerWorker;

/* A shard of the stream, with the consumer's lease of it */
typedef struct ConsumerShard
{
	ShardInfo			 *info;
	struct ConsumerShard *parent;  /* NULL if there is none any more */
	bool				  blocked; /* a parent that the view does not have is not finished */
	ConsumerLease		 *lease;   /* NULL if there is none yet */
	bool				  locked;  /* by this transaction, for the worker */
	bool				  changed; /* the lease is to be written */
	bool				  gone;	   /* dropped since the snapshot */
	int64				  horizon; /* records below are out of reach */
} ConsumerShard;

/* A consumer as a worker sees it */
typedef struct ConsumerView
{
	ConsumerInfo   *consumer;
	const char	   *worker_id; /* NULL if no worker looks */
	StreamInfo	   *stream;
	uint64		   *ends;	  /* of transactions, by slot, before all that follows */
	Snapshot		snapshot; /* of stream, shards and records */
	TimestampTz		now;	  /* clock_now() */
	int				count;
	ConsumerShard  *shards;	 /* sorted by their ids */
	ConsumerShard **by_no;	 /* the same, sorted by their numbers */
	List		   *workers; /* ConsumerWorker *, dead ones too */

	/* Of a worker's view, which has only the shards that concern its poll */
	struct ConsumerLineage *lineage;
	uint8				   *known;	/* of each shard of the lineage */
	List				   *leases; /* that were read, sorted by shard_no */
} ConsumerView;

#endif /* DDBSTREAMS_CONSUMER_H */
