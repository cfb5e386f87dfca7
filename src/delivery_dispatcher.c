/*
 * delivery_dispatcher.c
 *	  The worker that sees to a database's event source mappings.
 *
 * The launcher starts it when there is an enabled mapping, and again when it
 * dies.  It ends when there is no enabled mapping any more.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/extension.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/snapmgr.h"

#include "own_sql.h"
#include "stream_catalog.h"
#include "worker_slots.h"

PGDLLEXPORT void delivery_dispatcher_main(Datum main_arg);

static bool
mapping_is_enabled(void)
{
	OwnSql state;
	bool   found = false;
	Oid	   types[] = {OIDOID};
	Datum  values[] = {ObjectIdGetDatum(MyDatabaseId)};

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (OidIsValid(catalog_table_oid(CATALOG_STREAM, true)))
	{
		own_sql_begin(&state);
		found = own_sql("SELECT 1 FROM ddbstreams_shards.mapping WHERE enabled AND database_id = $1 LIMIT 1",
						1, types, values, NULL) > 0;
		own_sql_end(&state);
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
	return found;
}

void
delivery_dispatcher_main(Datum main_arg)
{
	worker_slots_attach(main_arg);
	worker_slots_connect();
	while (setting_max_workers > 0)
	{
		uint32 wishes = worker_slots_dispatcher_wishes();

		if (!mapping_is_enabled() && worker_slots_dispatcher_may_end(wishes))
			break;
		worker_slots_set_state("waiting");
		worker_slots_wait(-1);
	}
	proc_exit(0);
}
