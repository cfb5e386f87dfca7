/*
 * late_writer.c
 *	  A library that writes in a commit callback of its own, for
 *	  test/t/late_writer.pl.
 *
 * Before each commit it runs the statement that late_writer.statement has, in
 * a subtransaction if late_writer.in_subtransaction is on.
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/guc.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

PG_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

static char *statement = NULL;
static bool	 in_subtransaction = false;

static void
run_statement(void)
{
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	SPI_execute(statement, false, 0);
	SPI_finish();
	PopActiveSnapshot();
}

static void
write_late(XactEvent event, void *arg)
{
	ResourceOwner owner = CurrentResourceOwner;

	if (event != XACT_EVENT_PRE_COMMIT || statement[0] == '\0')
		return;
	if (in_subtransaction)
		BeginInternalSubTransaction(NULL);
	run_statement();
	if (in_subtransaction)
		ReleaseCurrentSubTransaction();
	CurrentResourceOwner = owner;
}

void
_PG_init(void)
{
	DefineCustomStringVariable("late_writer.statement", "", NULL, &statement, "",
							   PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("late_writer.in_subtransaction", "", NULL,
							 &in_subtransaction, false, PGC_USERSET, 0,
							 NULL, NULL, NULL);
	RegisterXactCallback(write_late, NULL);
}
