/*
 * delivery_dispatcher.h
 *	  The worker that gives a database's units to handler workers.
 */
#ifndef DDBSTREAMS_DELIVERY_DISPATCHER_H
#define DDBSTREAMS_DELIVERY_DISPATCHER_H

#include "base/ddbstreams.h"

/* Called once, when the library is preloaded. */
extern void delivery_dispatcher_init(void);

/* The worker's entry point, which is found by its name */
extern PGDLLEXPORT void delivery_dispatcher_main(Datum main_arg);

#endif /* DDBSTREAMS_DELIVERY_DISPATCHER_H */
