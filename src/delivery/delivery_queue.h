/*
 * delivery_queue.h
 *	  What the dispatcher knows of units, in its own memory.
 */
#ifndef DDBSTREAMS_DELIVERY_QUEUE_H
#define DDBSTREAMS_DELIVERY_QUEUE_H

#include "base/ddbstreams.h"

#include "delivery/delivery.h"
#include "lib/ilist.h"

typedef enum UnitState
{
	UNIT_IDLE,	  /* until something is appended */
	UNIT_WAITING, /* until wake_at, or not before not_before */
	UNIT_READY,	  /* for a handler */
	UNIT_RUNNING
} UnitState;

/* What the units of one mapping have in common */
typedef struct QueuedMapping
{
	int64	   mapping_no;
	Oid		   role;
	bool	   seen;	/* by the present look at the tables */
	bool	   is_slow; /* a call has taken longer than a time slice */
	int		   running; /* of its units */
	dlist_head ready;	/* units, the one that is ready longest first */
	dlist_node node;	/* in delivery_queue_all_mappings, the next one to be served first */
} QueuedMapping;

typedef struct QueuedUnit
{
	DeliveryUnit	key;
	QueuedMapping  *mapping;
	Oid				shard_table; /* InvalidOid: none to be watched */
	bool			seen;
	UnitState		state;
	bool			again;	 /* was touched while it ran */
	bool			held;	 /* not to run until the tables have been looked at */
	DeliveryOutcome outcome; /* of the last run */
	dlist_node		ready_node;
	dlist_node		node; /* in delivery_queue_all_units */
} QueuedUnit;

extern dlist_head delivery_queue_all_mappings;
extern dlist_head delivery_queue_all_units;

extern QueuedMapping *delivery_queue_mapping(int64 mapping_no);
extern QueuedUnit	 *delivery_queue_add(QueuedMapping *mapping, const DeliveryUnit *key,
										 Oid shard_table);
extern QueuedUnit	 *delivery_queue_find(const DeliveryUnit *key);
extern void			  delivery_queue_remove(QueuedUnit *unit);
extern void			  delivery_queue_remove_mapping(QueuedMapping *mapping);

extern void		   delivery_queue_make_ready(QueuedUnit *unit);
extern void		   delivery_queue_touch(QueuedUnit *unit);
extern void		   delivery_queue_begin(QueuedUnit *unit);
extern void		   delivery_queue_end(QueuedUnit *unit, const DeliveryOutcome *outcome);
extern TimestampTz delivery_queue_run_timers(void);

#endif /* DDBSTREAMS_DELIVERY_QUEUE_H */
