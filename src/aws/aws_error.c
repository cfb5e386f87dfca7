/*
 * aws_error.c
 *	  AWS's names for the errors of aws().
 *
 * An SQLSTATE alone does not tell the name: 22023 is ValidationException for
 * DynamoDB and InvalidParameterValueException for Lambda, and DynamoDB has two
 * more names for a request that it cannot read.  So that a client need not
 * guess from a message, an error that leaves aws() bears AWS's name in the
 * field that PostgreSQL has for the name of a violated constraint
 * (PG_DIAG_CONSTRAINT_NAME in libpq, CONSTRAINT_NAME in GET STACKED
 * DIAGNOSTICS).  An error context callback puts it there, because most errors
 * are raised by functions that know nothing of AWS's names.
 */
#include "postgres.h"

#include "aws/aws_error.h"
#include "base/errors.h"

typedef struct AwsErrorName
{
	int			sqlstate;
	const char *name;
	const char *lambda_name; /* NULL: the same */
} AwsErrorName;

static const AwsErrorName names[] = {
	{ERRCODE_INVALID_PARAMETER_VALUE, AWS_ERROR_VALIDATION, "InvalidParameterValueException"},
	{ERRCODE_WRONG_OBJECT_TYPE, AWS_ERROR_VALIDATION, "InvalidParameterValueException"},
	{ERRCODE_UNDEFINED_OBJECT, "ResourceNotFoundException", NULL},
	{ERRCODE_OBJECT_IN_USE, "ResourceInUseException", NULL},
	{ERRCODE_DUPLICATE_OBJECT, "ResourceConflictException", NULL},
	{ERRCODE_INSUFFICIENT_PRIVILEGE, "AccessDeniedException", NULL},
	{ERRCODE_EXPIRED_ITERATOR, "ExpiredIteratorException", NULL},
	{ERRCODE_TRIMMED_DATA_ACCESS, "TrimmedDataAccessException", NULL},
	{ERRCODE_LIMIT_EXCEEDED, "LimitExceededException", NULL},
};

/* A value that PostgreSQL itself refuses */
static const AwsErrorName invalid_value = {
	0, AWS_ERROR_VALIDATION, "InvalidParameterValueException"};

/* Everything else is the server's fault, and may be tried again. */
static const AwsErrorName internal_error = {
	0, "InternalServerError", "ServiceException"};

/* Is it no error but a notice or a warning? */
static bool
is_message(int sqlstate)
{
	int category = ERRCODE_TO_CATEGORY(sqlstate);

	return category == ERRCODE_SUCCESSFUL_COMPLETION ||
		   category == ERRCODE_WARNING || category == ERRCODE_NO_DATA;
}

static const AwsErrorName *
find_name(int sqlstate)
{
	for (int i = 0; i < (int) lengthof(names); i++)
	{
		if (names[i].sqlstate == sqlstate)
			return &names[i];
	}
	if (ERRCODE_TO_CATEGORY(sqlstate) == ERRCODE_DATA_EXCEPTION)
		return &invalid_value;
	return &internal_error;
}

/*
 * A violated constraint of a table keeps its own name: an error has room for
 * one.
 */
static void
name_error(void *arg)
{
	const AwsErrors	   *errors = arg;
	int					sqlstate = geterrcode();
	const AwsErrorName *entry = find_name(sqlstate);
	const char		   *name = errors->name;

	if (is_message(sqlstate) ||
		ERRCODE_TO_CATEGORY(sqlstate) == ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION)
		return;
	if (name == NULL)
		name = errors->is_lambda && entry->lambda_name != NULL ?
				   entry->lambda_name :
				   entry->name;
	err_generic_string(PG_DIAG_CONSTRAINT_NAME, name);
}

void
aws_error_begin(AwsErrors *errors)
{
	error_members_callback = name_error;
	errors->is_lambda = false;
	errors->name = NULL;
	errors->callback.callback = name_error;
	errors->callback.arg = errors;
	errors->callback.previous = error_context_stack;
	error_context_stack = &errors->callback;
}

void
aws_error_end(AwsErrors *errors)
{
	error_context_stack = errors->callback.previous;
}
