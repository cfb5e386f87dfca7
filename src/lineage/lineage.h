/*
 * lineage.h
 *	  Closing shards and opening their children.
 */
#ifndef LINEAGE_H
#define LINEAGE_H

#include "base/ddbstreams.h"

extern void lineage_roll_over_due(void);
extern void lineage_split_hot(void);

#endif /* LINEAGE_H */
