/*
 * launcher.h
 *	  The worker that starts the other workers.
 */
#ifndef DDBSTREAMS_LAUNCHER_H
#define DDBSTREAMS_LAUNCHER_H

#include "base/ddbstreams.h"

extern void launcher_register(void);

#endif /* DDBSTREAMS_LAUNCHER_H */
