/*
 * delivery_units.h
 *	  What the dispatcher knows of units, in its own memory.
 */
#ifndef DELIVERY_UNITS_H
#define DELIVERY_UNITS_H

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
typedef struct UnitMapping
{
	int64	   mapping_no;
	Oid		   role;
	bool	   seen;	/* by the present look at the tables */
	bool	   is_slow; /* a call has taken longer than a time slice */
	int		   running; /* of its units */
	dlist_head ready;	/* units, the one that is ready longest first */
	dlist_node node;	/* in units_mappings, the next one to be served first */
} UnitMapping;

typedef struct Unit
{
	DeliveryUnit	key;
	UnitMapping	   *mapping;
	Oid				shard_table; /* InvalidOid: none to be watched */
	bool			seen;
	UnitState		state;
	bool			again;	 /* was touched while it ran */
	bool			held;	 /* not to run until the tables have been looked at */
	DeliveryOutcome outcome; /* of the last run */
	dlist_node		ready_node;
	dlist_node		node; /* in units_all */
} Unit;

extern dlist_head units_mappings;
extern dlist_head units_all;

extern UnitMapping *units_mapping(int64 mapping_no);
extern Unit		   *units_add(UnitMapping *mapping, const DeliveryUnit *key,
							  Oid shard_table);
extern Unit		   *units_find(const DeliveryUnit *key);
extern void			units_remove(Unit *unit);
extern void			units_remove_mapping(UnitMapping *mapping);

extern void		   units_make_ready(Unit *unit);
extern void		   units_touch(Unit *unit);
extern void		   units_begin(Unit *unit);
extern void		   units_end(Unit *unit, const DeliveryOutcome *outcome);
extern TimestampTz units_run_timers(void);

#endif /* DELIVERY_UNITS_H */
