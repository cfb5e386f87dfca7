/*
 * own_transaction.c
 *	  The transactions in which a background worker does its own work.
 *
 * They do not depend on the settings that the worker's role or database has:
 * with default_transaction_read_only or a higher default isolation level a
 * worker would fail, or see what was there before its last look.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/own_transaction.h"

/* The memory context in which the present transaction was begun */
static MemoryContext outer_context = NULL;

void
own_transaction_begin(void)
{
	outer_context = CurrentMemoryContext;
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	XactIsoLevel = XACT_READ_COMMITTED;
	XactReadOnly = false;
	XactDeferrable = false;
	PushActiveSnapshot(GetTransactionSnapshot());
}

void
own_transaction_commit(void)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(outer_context);
}
