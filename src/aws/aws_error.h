/*
 * aws_error.h
 *	  AWS's names for the errors of aws().
 */
#ifndef DDBSTREAMS_AWS_ERROR_H
#define DDBSTREAMS_AWS_ERROR_H

#include "base/ddbstreams.h"

#include "utils/elog.h"

/* Names that no SQLSTATE stands for */
#define AWS_ERROR_SERIALIZATION		"SerializationException"
#define AWS_ERROR_UNKNOWN_OPERATION "UnknownOperationException"
#define AWS_ERROR_VALIDATION		"ValidationException"

/* What names the errors of one call of aws() */
typedef struct AwsErrors
{
	bool				 is_lambda; /* of an operation of Lambda's */
	const char			*name;		/* if set, whatever the SQLSTATE is */
	ErrorContextCallback callback;
} AwsErrors;

/*
 * From here to aws_error_end, every error bears AWS's name for it in the field
 * PG_DIAG_CONSTRAINT_NAME.  *errors must live as long; an error ends it, too.
 */
extern void aws_error_begin(AwsErrors *errors);
extern void aws_error_end(AwsErrors *errors);

#endif /* DDBSTREAMS_AWS_ERROR_H */
