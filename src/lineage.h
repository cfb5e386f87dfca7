/*
 * lineage.h
 *	  Closing shards and opening their children.
 */
#ifndef LINEAGE_H
#define LINEAGE_H

#include "ddbstreams.h"

extern void lineage_roll_over_due(void);

#endif /* LINEAGE_H */
