/*
 * launcher.h
 *	  The worker that starts the other workers.
 */
#ifndef DDBSTREAMS_LAUNCHER_H
#define DDBSTREAMS_LAUNCHER_H

#include "base/ddbstreams.h"

/* Called once, when the library is preloaded. */
extern void launcher_init(void);

#endif /* DDBSTREAMS_LAUNCHER_H */
