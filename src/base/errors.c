/*
 * errors.c
 *	  The errors of AWS's request validation.
 */
#include "postgres.h"

#include "base/ddbstreams.h"
#include "base/errors.h"

void
error_null_argument(const char *member)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("1 validation error detected: Value null at '%s' failed to satisfy constraint: Member must not be null",
					member)));
}

void
error_constraint(const char *value, const char *member, const char *rule)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must %s",
					value, member, rule)));
}
