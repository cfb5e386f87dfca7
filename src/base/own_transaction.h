/*
 * own_transaction.h
 *	  The transactions in which a background worker does its own work.
 */
#ifndef DDBSTREAMS_OWN_TRANSACTION_H
#define DDBSTREAMS_OWN_TRANSACTION_H

#include "base/ddbstreams.h"

/*
 * Begins a transaction that writes, READ COMMITTED, with an active snapshot.
 * The current memory context is the transaction's from then on.
 */
extern void own_transaction_begin(void);

/*
 * Commits it.  The current memory context is what it was when the transaction
 * began.  After an error call AbortCurrentTransaction instead, and switch to a
 * memory context that is still there.
 */
extern void own_transaction_commit(void);

#endif /* DDBSTREAMS_OWN_TRANSACTION_H */
