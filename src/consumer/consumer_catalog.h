/*
 * consumer_catalog.h
 *	  The tables of consumer groups, their leases and workers.
 *
 * Rows that are returned are palloc'd in the caller's memory context.  Times
 * are times of clock_now(), which tests can move.
 */
#ifndef DDBSTREAMS_CONSUMER_CATALOG_H
#define DDBSTREAMS_CONSUMER_CATALOG_H

#include "base/ddbstreams.h"

#include "consumer/consumer.h"
#include "shard/shard_watch.h"

/* Returns the consumer of a name, or NULL. */
extern ConsumerInfo *consumer_catalog_find(const char *consumer_name);

/*
 * Returns the consumer of a name.  It is an error if there is none, or if the
 * current user is not a member of the role that it belongs to.
 */
extern ConsumerInfo *consumer_catalog_by_name(const char *consumer_name);

/* Returns all consumers of the database (ConsumerInfo *), sorted by name. */
extern List *consumer_catalog_list(void);

/* Returns those of a stream, in no order. */
extern List *consumer_catalog_list_of_stream(int64 stream_id);

/*
 * Inserts a consumer; returns false if there is one of that name.  It waits
 * for a transaction that has inserted or dropped one of that name.
 */
extern bool consumer_catalog_insert(const ConsumerInfo *consumer,
									const char		   *starting_position,
									const Interval	   *lease_duration);

/*
 * Deletes a consumer, and those of its leases and workers that no other
 * transaction has locked.  Maintenance deletes the rest, and what an open
 * transaction is about to insert: see consumer_catalog_delete_orphans.
 */
extern void consumer_catalog_delete(int64 consumer_no);

/* Deletes the leases and workers of all consumers that are gone. */
extern void consumer_catalog_delete_orphans(void);

/*
 * Takes consumers, except locked ones, from the numbers of roles that have
 * been dropped: superusers alone can use and drop them then.
 */
extern void consumer_catalog_take_from_dropped_roles(void);

/*
 * Returns how many records were lost in shards that are gone and have not been
 * told to a client yet, and notes that they have been told now.  Returns 0 if
 * another transaction has locked the consumer's row.
 */
extern int64 consumer_catalog_take_untold(int64 consumer_no);

/* Compares leases by shard_no, for list_sort. */
extern int consumer_catalog_compare_leases(const ListCell *a, const ListCell *b);

/* Returns all leases of a consumer (ConsumerLease *), sorted by shard_no. */
extern List *consumer_catalog_leases(int64 consumer_no);

/* Returns those of these shards, in any order. */
extern List *consumer_catalog_leases_of_shards(int64 consumer_no, const int64 *shard_nos,
											   int count);

/*
 * The next five return leases too, and lock their rows until the transaction
 * ends.  All but consumer_catalog_lock_lease leave out the finished leases and
 * those that another transaction has locked, and so never wait.
 */

/* Locks the leases of these shards that a worker owns. */
extern List *consumer_catalog_lock_own_leases(int64 consumer_no, const char *worker_id,
											  const int64 *shard_nos, int count);

/*
 * Locks at most limit of these shards' leases that are free at this time: they
 * have no owner, or the owner has not renewed them.
 */
extern List *consumer_catalog_lock_free_leases(int64 consumer_no, const int64 *shard_nos,
											   int count, TimestampTz now, int limit);

/*
 * Locks one of these shards' leases that a worker owns; if there are several,
 * rather one whose returned records are all checkpointed.
 */
extern List *consumer_catalog_lock_lease_of_worker(int64 consumer_no, const int64 *shard_nos,
												   int count, const char *owner);

/* Locks the lease of a shard, owned or not. */
extern List *consumer_catalog_try_lock_lease(int64 consumer_no, int64 shard_no);

/*
 * Locks the lease of a shard, owned or not and finished or not, and waits for
 * a transaction that has locked it.  Returns NULL if there is none.
 */
extern ConsumerLease *consumer_catalog_lock_lease(int64 consumer_no, int64 shard_no);

/* Inserts a lease; returns false if the shard has one already. */
extern bool consumer_catalog_insert_lease(int64 consumer_no, const ConsumerLease *lease);

/* Writes all columns of a lease whose row the transaction has locked. */
extern void consumer_catalog_update_lease(int64 consumer_no, const ConsumerLease *lease);

/*
 * Deletes those leases of these shards, which are gone, that no other
 * transaction has locked, and adds their losses to the consumer's row.  Does
 * nothing if that row is locked.
 */
extern void consumer_catalog_clean_leases(int64 consumer_no, const int64 *shard_nos,
										  int count);

/* Returns the workers of a consumer (ConsumerWorker *), dead ones too. */
extern List *consumer_catalog_workers(int64 consumer_no);

/*
 * Notes that a worker lives until expires_at, unless another transaction is
 * about to do so.  Returns whether the worker is new: it was not there, or was
 * taken for dead.  Rows of workers that are long dead go when a new one comes.
 */
extern bool consumer_catalog_register_worker(int64 consumer_no, const char *worker_id,
											 TimestampTz now, TimestampTz expires_at);

/*
 * Reserves the creation of a consumer's leases for this transaction, until its
 * end.  Returns false at once if another transaction has reserved it.
 */
extern bool consumer_catalog_may_create_leases(int64 consumer_no);

/*
 * Returns the key that a session gives to shard_watch_set in order to be woken
 * when leases of the consumer have changed.
 */
extern ShardWatchKey consumer_catalog_watch_key(int64 consumer_no);

/* When this transaction ends, wakes the sessions that watch that key. */
extern void consumer_catalog_wake_workers(int64 consumer_no);

#endif /* DDBSTREAMS_CONSUMER_CATALOG_H */
