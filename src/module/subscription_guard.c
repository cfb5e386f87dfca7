/*
 * subscription_guard.c
 *	  Subscriptions have none of ddbstreams' own tables.
 *
 * A publication FOR ALL TABLES lists the publisher's own tables, too.  No row
 * of theirs is ever decoded, and the subscriber's own tables would refuse it.
 * But CREATE SUBSCRIPTION and REFRESH PUBLICATION note every listed table that
 * the subscriber has, for its rows to be copied first.  Each of these copies
 * would fail, be tried again for ever, and hold a replication slot of the
 * publisher meanwhile: there would soon be none left for the user's tables.
 * So these notes are taken away by the transaction that makes them.
 *
 * A sequence may be listed as well: its value would be set to the publisher's.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_subscription_rel.h"
#include "utils/snapmgr.h"

#include "module/subscription_guard.h"
#include "registry/own_tables.h"

void
subscription_guard_after(Node *command)
{
	const char	 *name = IsA(command, CreateSubscriptionStmt) ?
							 castNode(CreateSubscriptionStmt, command)->subname :
							 castNode(AlterSubscriptionStmt, command)->subname;
	Relation	  rel;
	TableScanDesc scan;
	HeapTuple	  tuple;
	int			  removed = 0;

	CommandCounterIncrement();
	rel = table_open(SubscriptionRelRelationId, RowExclusiveLock);
	scan = table_beginscan_catalog(rel, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_subscription_rel form = (Form_pg_subscription_rel) GETSTRUCT(tuple);

		if (!own_tables_contain(form->srrelid))
			continue;
		RemoveSubscriptionRel(form->srsubid, form->srrelid);
		removed++;
	}
	table_endscan(scan);
	table_close(rel, NoLock);
	if (removed > 0)
		ereport(NOTICE,
				(errmsg("subscription \"%s\" leaves out the tables of ddbstreams",
						name),
				 errdetail("Streams belong to their database: no subscription writes to them.")));
}
