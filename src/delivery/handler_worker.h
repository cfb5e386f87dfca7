/*
 * handler_worker.h
 *	  The worker that runs handlers.
 */
#ifndef DDBSTREAMS_HANDLER_WORKER_H
#define DDBSTREAMS_HANDLER_WORKER_H

#include "base/ddbstreams.h"

/* Called once, when the library is preloaded. */
extern void handler_worker_init(void);

/* The worker's entry point, which is found by its name */
extern PGDLLEXPORT void handler_worker_main(Datum main_arg);

#endif /* DDBSTREAMS_HANDLER_WORKER_H */
