/*
 * xact_callbacks.h
 *	  What ddbstreams does when a transaction or a subtransaction ends.
 */
#ifndef DDBSTREAMS_XACT_CALLBACKS_H
#define DDBSTREAMS_XACT_CALLBACKS_H

#include "base/ddbstreams.h"

/* Called once, when the library is preloaded. */
extern void xact_callbacks_init(void);

#endif /* DDBSTREAMS_XACT_CALLBACKS_H */
