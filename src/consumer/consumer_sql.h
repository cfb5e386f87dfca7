/*
 * consumer_sql.h
 *	  What the SQL functions of consumer groups share.
 */
#ifndef DDBSTREAMS_CONSUMER_SQL_H
#define DDBSTREAMS_CONSUMER_SQL_H

#include "base/ddbstreams.h"

/*
 * Returns the argument worker_id as a palloc'd string; an error if its length
 * is not that of a name.
 */
extern char *consumer_sql_worker_argument(const text *worker_id);

#endif /* DDBSTREAMS_CONSUMER_SQL_H */
