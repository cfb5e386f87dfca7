/*
 * xact_callbacks.h
 *	  What ddbstreams does when a transaction or a subtransaction ends.
 */
#ifndef XACT_CALLBACKS_H
#define XACT_CALLBACKS_H

#include "base/ddbstreams.h"

/* Called once, when the library is preloaded. */
extern void xact_callbacks_init(void);

#endif /* XACT_CALLBACKS_H */
