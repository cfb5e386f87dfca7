/*
 * consumer_catalog.h
 *	  The tables of consumer groups, their leases and workers.
 */
#ifndef DDBSTREAMS_CONSUMER_CATALOG_H
#define DDBSTREAMS_CONSUMER_CATALOG_H

#include "base/ddbstreams.h"

#include "consumer/consumer.h"

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

#endif /* DDBSTREAMS_CONSUMER_CATALOG_H */
