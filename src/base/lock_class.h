/*
 * lock_class.h
 *	  Locks of the lock manager that are neither relations' nor objects'.
 *
 * Their tags are those of advisory locks, whose fourth field is 1 or 2 for the
 * locks of pg_advisory_lock() and its like.  The classes below are what
 * ddbstreams has in that field, so that no user can take one of these locks.
 * They show in pg_locks as advisory locks with this objsubid.
 *
 * class						second field, third field	file
 * LOCK_CLASS_READER_SLOT		shard's table, slot			reader_slots.c
 * LOCK_CLASS_DELIVERY_SLOT		shard's table, slot			reader_slots.c
 * LOCK_CLASS_CONSUMER_WORKER	consumer, hash of worker	consumer_catalog.c
 * LOCK_CLASS_CONSUMER_LEASES	consumer, 0					consumer_catalog.c
 * LOCK_CLASS_MAPPINGS_OF_ROLE	stream, role				mapping_lock.c
 */
#ifndef DDBSTREAMS_LOCK_CLASS_H
#define DDBSTREAMS_LOCK_CLASS_H

#define LOCK_CLASS_READER_SLOT		57
#define LOCK_CLASS_CONSUMER_WORKER	58
#define LOCK_CLASS_CONSUMER_LEASES	59
#define LOCK_CLASS_DELIVERY_SLOT	60
#define LOCK_CLASS_MAPPINGS_OF_ROLE 61

#endif /* DDBSTREAMS_LOCK_CLASS_H */
