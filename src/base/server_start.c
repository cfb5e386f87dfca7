/*
 * server_start.c
 *	  How this server was shut down before its start.
 */
#include "postgres.h"

#include <sys/stat.h>

#include "access/xlog.h"
#include "catalog/pg_control.h"
#include "common/controldata_utils.h"
#include "miscadmin.h"

#include "base/server_start.h"

bool
server_start_is_clean(FullTransactionId *next_xid)
{
	struct stat		 st;
	bool			 crc_ok;
	ControlFileData *control = get_controlfile(DataDir, &crc_ok);
	bool			 clean = crc_ok && control->state == DB_SHUTDOWNED;

	*next_xid = control->checkPointCopy.nextXid;
	pfree(control);
	return clean && stat(STANDBY_SIGNAL_FILE, &st) != 0 &&
		   stat(RECOVERY_SIGNAL_FILE, &st) != 0;
}
