/*
 * consumer.h
 *	  Consumer groups: clients that share the shards of a stream by leases.
 *
 * consumer		a named group of workers, of one stream
 * worker		whoever processes records: a name that a client gives itself
 * lease		a worker's right to a shard for a while, with the checkpoint:
 *				where its records are still to be processed
 */
#ifndef CONSUMER_H
#define CONSUMER_H

#include "base/ddbstreams.h"

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "registry/stream_catalog.h"

#define CONSUMER_MAX_NAME 128 /* characters, of consumers and workers */

/* What a checkpoint was made from; see ddbstreams_shards.consumer_lease */
typedef enum CheckpointKind
{
	CHECKPOINT_TRIM_HORIZON = 'h',
	CHECKPOINT_LATEST = 'l',
	CHECKPOINT_NUMBER = 'n',
	CHECKPOINT_SHARD_END = 'e'
} CheckpointKind;

/* A row of ddbstreams_shards.consumer; see the install script */
typedef struct ConsumerInfo
{
	int64 consumer_no;
	char *consumer_name;
	int64 stream_id;
	char *stream_arn;
	Oid	  role_id;
	int64 lease_usec;
	int64 lost_records;
	int64 untold_records;
} ConsumerInfo;

/* A row of ddbstreams_shards.consumer_lease; see the install script */
typedef struct ConsumerLease
{
	int64		   shard_no;
	char		  *owner; /* or NULL */
	int64		   counter;
	CheckpointKind kind;
	int64		   checkpoint;
	int64		   returned;
	TimestampTz	   expires_at; /* 0: never was owned */
	int32		   owner_switches;
	int32		   attempts;
	TimestampTz	   returned_at; /* 0: never */
	int64		   lost_records;
	int64		   lost_told;
	char		  *last_error; /* or NULL */
	TimestampTz	   last_error_at;
	int32		   worker_pid; /* 0: none */
} ConsumerLease;

typedef struct ConsumerWorker
{
	char	   *worker_id;
	TimestampTz expires_at;
} ConsumerWorker;

/* Rows that are returned are palloc'd in the caller's memory context. */

extern ConsumerInfo *consumer_catalog_find(const char *consumer_name);
extern ConsumerInfo *consumer_catalog_by_name(const char *consumer_name);
extern List			*consumer_catalog_list(void); /* of ConsumerInfo * */
extern bool			 consumer_catalog_insert(const ConsumerInfo *consumer,
									 const char			*starting_position,
									 const Interval		*lease_duration);
extern int64		 consumer_catalog_take_untold(int64 consumer_no);
extern void			 consumer_catalog_delete(int64 consumer_no);

/* Lists of ConsumerLease *, in the order of shard_no */
extern List *consumer_catalog_leases(int64 consumer_no);
extern List *consumer_catalog_lock_own_leases(int64 consumer_no, const char *worker_id);
extern List *consumer_catalog_lock_free_leases(int64 consumer_no, Datum shard_nos,
									   TimestampTz now, int limit);
extern List *consumer_catalog_lock_lease_of(int64 consumer_no, Datum shard_nos,
										 const char *owner);
extern List *consumer_catalog_lock_any_lease(int64 consumer_no, int64 shard_no);
extern List *consumer_catalog_lock_lease(int64 consumer_no, int64 shard_no);

extern bool consumer_catalog_insert_lease(int64 consumer_no, const ConsumerLease *lease);
extern void consumer_catalog_update_lease(int64 consumer_no, const ConsumerLease *lease);
extern void consumer_catalog_clean_leases(int64 consumer_no, Datum shard_nos);

extern List *consumer_catalog_workers(int64 consumer_no); /* of ConsumerWorker * */
extern bool	 consumer_catalog_register_worker(int64 consumer_no, const char *worker_id,
									  TimestampTz now, TimestampTz expires_at);

extern void consumer_catalog_delete_orphans(void);

extern bool	 consumer_catalog_may_create_leases(int64 consumer_no);
extern Datum consumer_catalog_shard_nos(const int64 *shard_nos, int count);
extern Oid	 consumer_catalog_watch_key(int64 consumer_no);
extern void	 consumer_catalog_wake_workers(int64 consumer_no);

/* consumer_stats.c */
extern void consumer_cleanup(void);

#endif /* CONSUMER_H */
