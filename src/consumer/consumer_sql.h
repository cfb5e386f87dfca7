/*
 * consumer_sql.h
 *	  What the SQL functions of consumer groups share.
 */
#ifndef DDBSTREAMS_CONSUMER_SQL_H
#define DDBSTREAMS_CONSUMER_SQL_H

#include "base/ddbstreams.h"

/* Each returns a palloc'd string, or raises an error if it cannot be a name. */
extern char *consumer_sql_name_argument(const text *name);
extern char *consumer_sql_worker_argument(const text *worker_id);

#endif /* DDBSTREAMS_CONSUMER_SQL_H */
