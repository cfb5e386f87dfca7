/*
 * consumer_stats.h
 *	  How far consumer groups are, and what has to be tidied up behind them.
 */
#ifndef DDBSTREAMS_CONSUMER_STATS_H
#define DDBSTREAMS_CONSUMER_STATS_H

#include "base/ddbstreams.h"

extern void consumer_cleanup(void);

#endif /* DDBSTREAMS_CONSUMER_STATS_H */
