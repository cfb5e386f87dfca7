/*
 * delivery_transaction.c
 *	  The transactions in which a handler worker does its own work.
 *
 * They do not depend on what settings the role has.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/snapmgr.h"

#include "delivery/delivery_transaction.h"

void
delivery_transaction_begin(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	XactIsoLevel = XACT_READ_COMMITTED;
	XactReadOnly = false;
	XactDeferrable = false;
	PushActiveSnapshot(GetTransactionSnapshot());
}

void
delivery_transaction_commit(void)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
}

/* Ends a transaction that has failed. */
void
delivery_transaction_abort(void)
{
	AbortCurrentTransaction();
}
