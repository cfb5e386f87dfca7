/*
 * delivery_session.h
 *	  The session in which handlers run.
 */
#ifndef DELIVERY_SESSION_H
#define DELIVERY_SESSION_H

#include "base/ddbstreams.h"

extern void delivery_session_clean(bool thoroughly);

#endif /* DELIVERY_SESSION_H */
