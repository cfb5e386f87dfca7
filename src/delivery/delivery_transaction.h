/*
 * delivery_transaction.h
 *	  The transactions in which a handler worker does its own work.
 */
#ifndef DDBSTREAMS_DELIVERY_TRANSACTION_H
#define DDBSTREAMS_DELIVERY_TRANSACTION_H

#include "base/ddbstreams.h"

extern void delivery_transaction_begin(void);
extern void delivery_transaction_commit(void);
extern void delivery_transaction_abort(void);

#endif /* DDBSTREAMS_DELIVERY_TRANSACTION_H */
