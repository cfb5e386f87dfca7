/*
 * settings.c
 *	  The settings, ddbstreams.*.
 */
#include "postgres.h"

#include <limits.h>

#include "datatype/timestamp.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/guc.h"

#include "base/ddbstreams.h"
#include "base/settings.h"

char *setting_region = NULL;
char *setting_account_id = NULL;
int	  setting_default_shard_count = 4;
int	  setting_iterator_lifetime = 900;
int	  setting_max_readers_per_shard = 2;
bool  setting_dynamodb_numbers = false;
char *setting_user_identity = NULL;
int	  setting_buffer_memory = 16384;
int	  setting_maintenance_interval = 10000;
int	  setting_max_workers = 4;
int	  setting_handler_timeout = 300 * 1000;
int	  setting_failed_batch_retention = 14 * 24 * 3600;
int	  setting_rollover_interval = 4 * 3600;
int	  setting_split_above = 0;
int	  setting_clock_offset = 0;

/* A region is a part of ARNs and looks like AWS's. */
static bool
check_region(char **value, void **extra, GucSource source)
{
	size_t length = strlen(*value);

	if (length == 0 || length > 64 ||
		strspn(*value, "abcdefghijklmnopqrstuvwxyz0123456789-") != length)
	{
		GUC_check_errdetail("A region has 1 to 64 lower-case letters, digits and hyphens.");
		return false;
	}
	return true;
}

static bool
check_account_id(char **value, void **extra, GucSource source)
{
	if (strlen(*value) != 12 || strspn(*value, "0123456789") != 12)
	{
		GUC_check_errdetail("An account has 12 digits.");
		return false;
	}
	return true;
}

/*
 * An identity is type:principalId; an empty one is none.
 *
 * What a client sends when it connects, and what is set for a role in another
 * database, need not be text in this database's encoding.  A configuration
 * file is the same for all databases: its value stays, since parallel workers
 * would fail that are given what their leader has, and is not captured where
 * it is no text (record_build).
 */
static bool
check_user_identity(char **value, void **extra, GucSource source)
{
	const char *colon = strchr(*value, ':');

	if ((*value)[0] == '\0')
		return true;
	if (colon == NULL || colon == *value || colon[1] == '\0')
	{
		GUC_check_errdetail("An identity has a type, a colon and a principal's id, as in User:ada.");
		return false;
	}
	if (strlen(*value) > MAX_USER_IDENTITY)
	{
		GUC_check_errdetail("An identity has %d bytes at most.", MAX_USER_IDENTITY);
		return false;
	}
	if (OidIsValid(MyDatabaseId) && source > PGC_S_ARGV &&
		!pg_verifymbstr(*value, strlen(*value), true))
	{
		GUC_check_errdetail("An identity is a text in the encoding of the database.");
		return false;
	}
	return true;
}

void
settings_define(void)
{
	DefineCustomStringVariable("ddbstreams.region",
							   "Region in the ARNs of streams that are enabled from now on.",
							   NULL,
							   &setting_region,
							   "ddblocal",
							   PGC_USERSET, 0,
							   check_region, NULL, NULL);
	DefineCustomStringVariable("ddbstreams.account_id",
							   "Account in the ARNs of streams that are enabled from now on.",
							   NULL,
							   &setting_account_id,
							   "000000000000",
							   PGC_USERSET, 0,
							   check_account_id, NULL, NULL);
	DefineCustomIntVariable("ddbstreams.default_shard_count",
							"Number of shards of a new stream, unless its table is partitioned.",
							NULL,
							&setting_default_shard_count,
							4, 1, MAX_SHARD_COUNT,
							PGC_USERSET, 0,
							NULL, NULL, NULL);
	DefineCustomIntVariable("ddbstreams.iterator_lifetime",
							"Time after which a shard iterator expires.",
							"0 lets iterators live for ever.",
							&setting_iterator_lifetime,
							900, 0, INT_MAX,
							PGC_SUSET, GUC_UNIT_S,
							NULL, NULL, NULL);
	DefineCustomIntVariable("ddbstreams.max_readers_per_shard",
							"Number of get_records calls that may read one shard at the same moment.",
							"0 allows any number.",
							&setting_max_readers_per_shard,
							2, 0, 1000,
							PGC_SUSET, 0,
							NULL, NULL, NULL);
	DefineCustomBoolVariable("ddbstreams.dynamodb_numbers",
							 "Writes numbers in records as DynamoDB can hold them.",
							 "A number of more than 38 significant digits, or out of DynamoDB's range, becomes a string, and others have no trailing zeros.",
							 &setting_dynamodb_numbers,
							 false,
							 PGC_USERSET, 0,
							 NULL, NULL, NULL);
	DefineCustomStringVariable("ddbstreams.user_identity",
							   "Identity in the records of rows that are changed from now on, as type:principalId.",
							   "An empty one is none.",
							   &setting_user_identity,
							   "",
							   PGC_USERSET, 0,
							   check_user_identity, NULL, NULL);
	DefineCustomIntVariable("ddbstreams.buffer_memory",
							"Memory that a transaction's captured changes may take before they go to temporary files.",
							NULL,
							&setting_buffer_memory,
							16384, 64, MAX_KILOBYTES,
							PGC_USERSET, GUC_UNIT_KB,
							NULL, NULL, NULL);
	DefineCustomIntVariable("ddbstreams.maintenance_interval",
							"Time between two runs of the maintenance worker in a database.",
							NULL,
							&setting_maintenance_interval,
							10000, 100, 24 * 60 * 60 * 1000,
							PGC_SIGHUP, GUC_UNIT_MS,
							NULL, NULL, NULL);
	DefineCustomIntVariable("ddbstreams.max_workers",
							"Number of workers that run handlers of event source mappings at the same time in a database.",
							"0 starts none, and no dispatcher; maintenance goes on.",
							&setting_max_workers,
							4, 0, 1024,
							PGC_SIGHUP, 0,
							NULL, NULL, NULL);
	DefineCustomIntVariable("ddbstreams.handler_timeout",
							"Time after which the call of an event source mapping's function is cancelled.",
							"0 lets a call take as long as it will.",
							&setting_handler_timeout,
							300 * 1000, 0, INT_MAX,
							PGC_SUSET, GUC_UNIT_MS,
							NULL, NULL, NULL);
	DefineCustomIntVariable("ddbstreams.failed_batch_retention",
							"Time for which batches that event source mappings have given up are kept.",
							"0 keeps them until their mapping is deleted.",
							&setting_failed_batch_retention,
							14 * 24 * 3600, 0, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_S,
							NULL, NULL, NULL);
	DefineCustomIntVariable("ddbstreams.rollover_interval",
							"Time after which a shard that has records is closed and followed by a child.",
							"It grows in proportion with a retention of more than a day, and is a quarter of one that is shorter than four times this.",
							&setting_rollover_interval,
							4 * 3600, 1, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_S,
							NULL, NULL, NULL);
	DefineCustomIntVariable("ddbstreams.clock_offset",
							"For tests: added to the clock by which records are numbered and expire.",
							NULL,
							&setting_clock_offset,
							0, -20 * 365 * SECS_PER_DAY, INT_MAX,
							PGC_SUSET,
							GUC_UNIT_S | GUC_NOT_IN_SAMPLE | GUC_NO_SHOW_ALL,
							NULL, NULL, NULL);
	DefineCustomIntVariable("ddbstreams.split_above",
							"Records per second of one shard that make the maintenance worker split it.",
							"0 splits none.",
							&setting_split_above,
							0, 0, INT_MAX,
							PGC_SIGHUP, 0,
							NULL, NULL, NULL);
	MarkGUCPrefixReserved("ddbstreams");
}
