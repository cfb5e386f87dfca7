/*
 * delivery_session.h
 *	  The session in which handlers run.
 */
#ifndef DDBSTREAMS_DELIVERY_SESSION_H
#define DDBSTREAMS_DELIVERY_SESSION_H

#include "base/ddbstreams.h"

/*
 * Takes away what a handler has left in the session, outside of a transaction.
 * thoroughly: cached plans too.
 */
extern void delivery_session_clean(bool thoroughly);

#endif /* DDBSTREAMS_DELIVERY_SESSION_H */
