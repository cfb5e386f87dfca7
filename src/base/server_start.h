/*
 * server_start.h
 *	  How this server was shut down before its start.
 */
#ifndef DDBSTREAMS_SERVER_START_H
#define DDBSTREAMS_SERVER_START_H

#include "base/ddbstreams.h"

#include "access/transam.h"

/*
 * Was this server shut down cleanly, and does it start as a primary?  Then its
 * first write follows no recovery, and next_xid is the first transaction id
 * that it will give.  Called in the postmaster, when shared memory is made.
 */
extern bool server_start_is_clean(FullTransactionId *next_xid);

#endif /* DDBSTREAMS_SERVER_START_H */
