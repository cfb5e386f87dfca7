/*
 * maintenance.h
 *	  The tasks that are run in every database that has the extension.
 */
#ifndef MAINTENANCE_H
#define MAINTENANCE_H

#include "ddbstreams.h"

extern bool maintenance_looks_closely(void);
extern void maintenance_look_closely_again(void);

#endif /* MAINTENANCE_H */
