/*
 * lineage.h
 *	  Closing shards and opening their children.
 */
#ifndef DDBSTREAMS_LINEAGE_H
#define DDBSTREAMS_LINEAGE_H

#include "base/ddbstreams.h"

extern void lineage_roll_over_due(void);
extern void lineage_split_hot(void);

#endif /* DDBSTREAMS_LINEAGE_H */
