/*
 * launcher.h
 *	  The worker that starts the other workers.
 */
#ifndef LAUNCHER_H
#define LAUNCHER_H

#include "base/ddbstreams.h"

extern void launcher_register(void);

#endif /* LAUNCHER_H */
