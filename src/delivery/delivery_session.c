/*
 * delivery_session.c
 *	  The session in which handlers run.
 *
 * A handler worker runs one handler after another in one session.  What one of
 * them has left there must not reach the next one: settings, prepared
 * statements, cursors, session-level locks, temporary tables.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/prepare.h"
#include "commands/sequence.h"
#include "storage/lock.h"
#include "utils/guc.h"
#include "utils/plancache.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"

#include "delivery/delivery_session.h"

static void
reset_setting(const char *name)
{
	(void) set_config_option(name, NULL, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SET, true, 0, false);
}

/*
 * Does what DISCARD ALL does, but for UNLISTEN: a background worker cannot
 * LISTEN.  Plans are kept unless this is to be done thoroughly, because the
 * next batch is likely to need them again.
 */
void
delivery_session_clean(bool thoroughly)
{
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());

	PortalHashTableDeleteAll();
	reset_setting("session_authorization");
	reset_setting("role");
	ResetAllOptions();
	DropAllPreparedStatements();
	LockReleaseAll(USER_LOCKMETHOD, true);
	if (thoroughly)
		ResetPlanCache();
	ResetTempTableNamespace();
	ResetSequenceCaches();

	PopActiveSnapshot();
	CommitTransactionCommand();
}
