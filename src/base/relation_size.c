/*
 * relation_size.c
 *	  The size of a relation on disk.
 *
 * PostgreSQL's functions are called with call information made by hand: they
 * return null for a relation that is gone, which DirectFunctionCall1 takes for
 * an error.
 */
#include "postgres.h"

#include <sys/stat.h>

#include "utils/builtins.h"

#include "base/relation_size.h"

int64
relation_size(PGFunction size_function, Oid relid)
{
	LOCAL_FCINFO(fcinfo, 1);
	Datum size;

	InitFunctionCallInfoData(*fcinfo, NULL, 1, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = ObjectIdGetDatum(relid);
	fcinfo->args[0].isnull = false;
	size = size_function(fcinfo);
	return fcinfo->isnull ? 0 : DatumGetInt64(size);
}

bool
relation_size_is_zero(Oid relid)
{
	LOCAL_FCINFO(fcinfo, 1);
	Datum		path;
	struct stat status;

	InitFunctionCallInfoData(*fcinfo, NULL, 1, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = ObjectIdGetDatum(relid);
	fcinfo->args[0].isnull = false;
	path = pg_relation_filepath(fcinfo);
	if (fcinfo->isnull)
		return true;
	/* A file that has just been removed is no error. */
	if (stat(text_to_cstring(DatumGetTextPP(path)), &status) != 0)
		return errno == ENOENT;
	return status.st_size == 0;
}
