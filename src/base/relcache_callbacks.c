/*
 * relcache_callbacks.c
 *	  The one relcache callback of ddbstreams.
 *
 * PostgreSQL has room for ten relcache callbacks in a backend, for all
 * extensions together, and ends the session with FATAL at the eleventh.  So
 * ddbstreams registers one, which calls those of its files that want to know.
 */
#include "postgres.h"

#include "utils/inval.h"

#include "base/relcache_callbacks.h"

#define MAX_CALLBACKS 8

static RelcacheCallback callbacks[MAX_CALLBACKS];
static int				callback_count = 0;

static void
call_all(Datum arg, Oid relid)
{
	for (int i = 0; i < callback_count; i++)
		callbacks[i](relid);
}

void
relcache_callbacks_add(RelcacheCallback callback)
{
	if (callback_count == MAX_CALLBACKS)
		elog(ERROR, "MAX_CALLBACKS is too small");
	if (callback_count == 0)
		CacheRegisterRelcacheCallback(call_all, (Datum) 0);
	callbacks[callback_count++] = callback;
}
