/*
 * delivery_queue.h
 *	  What the dispatcher knows of units, in its own memory.
 */
#ifndef DDBSTREAMS_DELIVERY_QUEUE_H
#define DDBSTREAMS_DELIVERY_QUEUE_H

#include "base/ddbstreams.h"

#include "delivery/delivery.h"
#include "lib/ilist.h"
#include "lib/pairingheap.h"

typedef enum UnitState
{
	UNIT_IDLE,	  /* nothing to do until a record is appended to its shard */
	UNIT_WAITING, /* nothing to do until outcome.wake_at */
	UNIT_READY,	  /* waits for a handler worker */
	UNIT_RUNNING  /* a handler worker has it */
} UnitState;

/* Is a mapping to be discovered, and in which of the lists does it wait? */
typedef enum DiscoveryWish
{
	DISCOVERY_NOT_WANTED,
	DISCOVERY_ROUTINE, /* nothing is known to have changed */
	DISCOVERY_URGENT
} DiscoveryWish;

/* What the mappings of one role have in common */
typedef struct QueuedRole
{
	Oid	   role;	 /* the key; must be the first field */
	int	   mappings; /* how many there are */
	uint64 served;	 /* when one of them was served last: a count of units */
} QueuedRole;

/* What the units of one mapping have in common */
typedef struct QueuedMapping
{
	int64		mapping_no; /* the key; must be the first field */
	int64		stream_id;
	Oid			role;
	QueuedRole *of_role;
	bool		active;	   /* it is to deliver: delivery_queue_set_active */
	bool		counts;	   /* it is among those of delivery_queue_count */
	bool		is_slow;   /* a call has taken longer than a time slice */
	int			running;   /* how many of its units run */
	dlist_head	units;	   /* all of them, in no order */
	dlist_head	ready;	   /* its ready units; the head has waited longest */
	uint64		served;	   /* when it was served last, or made */
	dlist_node	turn_node; /* in delivery_queue_ready_mappings, if any is */
	dlist_node	node;	   /* in delivery_queue_all_mappings */

	/* Its discovery: delivery_survey.c and delivery_discover.c */
	DiscoveryWish wish;
	dlist_node	  wish_node;	 /* if it is wanted */
	uint64		  wanted_at;	 /* when: a count of wishes */
	DiscoveryWish again;		 /* wanted once more, behind the present one */
	uint32		  listed;		 /* by the survey of that number */
	uint32		  discovery;	 /* the number of the present one */
	bool		  is_begun;		 /* it has made a step, and is not complete */
	int64		  discovered_to; /* the last shard_no of that step */
	bool		  is_held_up;	 /* a row was locked: to be tried again */
	int64		  seeks_version; /* the version that it has begun with */
	int64		  version;		 /* of the last complete one; 0: none */
} QueuedMapping;

/*
 * What the units of one shard have in common.  There may be many thousands of
 * shards and units; a turn of the dispatcher looks at those to which a record
 * was appended.
 */
typedef struct QueuedShard
{
	Oid		   shard_table; /* the key; must be the first field */
	int		   resting;		/* how many of its units are idle or wait */
	dlist_head units;
	dlist_node slot_node; /* among the shards of its slot (shard_slot.h) */
	dlist_node node;	  /* in delivery_queue_all_shards */
} QueuedShard;

typedef struct QueuedUnit
{
	DeliveryUnit	 key;
	QueuedMapping	*mapping;
	QueuedShard		*shard; /* NULL: no shard is to be watched */
	UnitState		 state;
	bool			 discovered;   /* the last discovery has found it */
	uint32			 discovery;	   /* the number of that discovery */
	bool			 again;		   /* a record was appended while it ran */
	bool			 held;		   /* not to run until the next discovery */
	bool			 has_changed;  /* its last run was CHANGED, not drained */
	DeliveryOutcome	 outcome;	   /* of the last run */
	dlist_node		 ready_node;   /* in mapping->ready, if it is READY */
	pairingheap_node waiting_node; /* if the state is WAITING */
	dlist_node		 shard_node;   /* in shard->units, if there is a shard */
	dlist_node		 node;		   /* in mapping->units */
} QueuedUnit;

/* All mappings, in no order */
extern dlist_head delivery_queue_all_mappings;

/* Those that have ready units; the head is to be served next. */
extern dlist_head delivery_queue_ready_mappings;

/* The shards that have units, in no order */
extern dlist_head delivery_queue_all_shards;

/* Rises whenever a shard joins or leaves that list */
extern uint64 delivery_queue_shard_changes;

/* How many mappings are active, or have units that are ready or run? */
extern int delivery_queue_count(void);

/* Is a mapping of this role known? */
extern bool delivery_queue_role_has_mappings(Oid role);

extern void delivery_queue_set_active(QueuedMapping *mapping, bool active);

/*
 * Returns the mapping of that number, a new one of that role if it is not
 * known yet.
 */
extern QueuedMapping *delivery_queue_mapping(int64 mapping_no, Oid role);

/* Returns the unit of that key, a new one, which is ready, if need be. */
extern QueuedUnit *delivery_queue_add(QueuedMapping *mapping, const DeliveryUnit *key,
									  Oid shard_table);

/* Returns the unit of that key, or NULL. */
extern QueuedUnit *delivery_queue_find(const DeliveryUnit *key);

/* Forgets a unit, which does not run. */
extern void delivery_queue_remove(QueuedUnit *unit);

/* Forgets a mapping that has no units and is not to be discovered. */
extern void delivery_queue_remove_mapping(QueuedMapping *mapping);

/* Makes a unit ready; one that runs becomes so at the end of its run. */
extern void delivery_queue_make_ready(QueuedUnit *unit);

/*
 * Makes units ready to whose shards a record was appended, if that matters to
 * them.
 */
extern void delivery_queue_touch_shards(void);

/* A ready unit is given to a handler worker. */
extern void delivery_queue_begin(QueuedUnit *unit);

/* The run of a unit has ended. */
extern void delivery_queue_end(QueuedUnit *unit, const DeliveryOutcome *outcome);

/*
 * Lets the mappings of other roles come before those of this one in a list,
 * whose nodes are at that offset of QueuedMapping.  Those of the role keep
 * their order.
 */
extern void delivery_queue_move_role(dlist_head *list, size_t node_offset, Oid role);

/*
 * Makes ready the units whose time has come.  Returns when the next one's time
 * comes, or DT_NOEND.
 */
extern TimestampTz delivery_queue_run_timers(void);

#endif /* DDBSTREAMS_DELIVERY_QUEUE_H */
