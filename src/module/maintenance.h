/*
 * maintenance.h
 *	  The tasks that are run in every database that has the extension.
 */
#ifndef DDBSTREAMS_MAINTENANCE_H
#define DDBSTREAMS_MAINTENANCE_H

#include "base/ddbstreams.h"

/* Called once, when the library is preloaded. */
extern void maintenance_init(void);

/* The worker's entry point, which is found by its name */
extern PGDLLEXPORT void maintenance_main(Datum main_arg);

#endif /* DDBSTREAMS_MAINTENANCE_H */
