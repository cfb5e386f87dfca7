/*
 * errors.c
 *	  The errors of AWS's request validation.
 *
 * Their texts have AWS's names of members.  Where the argument of the SQL
 * function has another one, a hint tells it.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/formatting.h"
#include "utils/varlena.h"

#include "base/ddbstreams.h"
#include "base/errors.h"

/* No value of AWS's is longer. */
#define MAX_VALUE_LENGTH 64

void (*error_members_callback)(void *arg);

/*
 * Members whose arguments have other words.  Those of all others have the same
 * words, in lower case with underscores.
 */
static const struct
{
	const char *member;
	const char *argument;
} arguments[] = {
	{"limit", "max_records"},
	{"maximumBatchingWindowInSeconds", "maximum_batching_window"},
	{"maximumRecordAgeInSeconds", "maximum_record_age"},
	{"streamSpecification.streamViewType", "stream_view_type"},
	{"tumblingWindowInSeconds", "tumbling_window"}};

/* Returns the name of a member's argument, palloc'd. */
static char *
argument_name(const char *member)
{
	StringInfoData name;

	for (Size i = 0; i < lengthof(arguments); i++)
	{
		if (strcmp(arguments[i].member, member) == 0)
			return pstrdup(arguments[i].argument);
	}
	initStringInfo(&name);
	for (const char *c = member; *c != '\0' && *c != '.'; c++)
	{
		if (*c >= 'A' && *c <= 'Z')
			appendStringInfoChar(&name, '_');
		appendStringInfoChar(&name, (char) pg_ascii_tolower((unsigned char) *c));
	}
	return name.data;
}

/* Returns a hint for errors of a member, or NULL. */
static const char *
argument_hint(const char *member)
{
	char *argument = argument_name(member);

	for (ErrorContextCallback *context = error_context_stack; context != NULL;
		 context = context->previous)
	{
		if (context->callback == error_members_callback)
			return NULL;
	}
	if (strcmp(argument, member) == 0)
		return NULL;
	return psprintf("In SQL this is the argument %s.", argument);
}

void
error_null_argument(const char *member)
{
	const char *hint = argument_hint(member);

	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("1 validation error detected: Value null at '%s' failed to satisfy constraint: Member must not be null",
					member),
			 hint ? errhint("%s", hint) : 0));
}

void
error_constraint_hint(const char *value, const char *member, const char *rule,
					  const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must %s",
					value, member, rule),
			 hint ? errhint("%s", hint) : 0));
}

void
error_constraint(const char *value, const char *member, const char *rule)
{
	error_constraint_hint(value, member, rule, argument_hint(member));
}

/* Returns a text in lower case without what is no letter or digit, palloc'd. */
static char *
simplify(const char *text)
{
	char *result = asc_tolower(text, strlen(text));
	char *end = result;

	for (const char *c = result; *c != '\0'; c++)
	{
		if ((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9'))
			*end++ = *c;
	}
	*end = '\0';
	return result;
}

char *
error_similar_value(const char *text, const char *values)
{
	char *simple = simplify(text);
	int	  best_distance = strlen(simple) / 3 + 1;
	char *best = NULL;
	char *list = pstrdup(values);
	char *rest = NULL;

	if (strlen(text) > MAX_VALUE_LENGTH)
		return NULL;
	for (char *value = strtok_r(list, ", ", &rest); value != NULL;
		 value = strtok_r(NULL, ", ", &rest))
	{
		char *other = simplify(value);
		int	  distance = varstr_levenshtein(simple, strlen(simple), other,
											strlen(other), 1, 1, 1, true);

		if (distance < best_distance)
		{
			best_distance = distance;
			best = value;
		}
	}
	return best;
}

void
error_enum(const char *value, const char *member, const char *argument,
		   const char *values)
{
	char *similar = error_similar_value(value, values);

	error_constraint_hint(value, member,
						  psprintf("satisfy enum value set: [%s]", values),
						  similar == NULL ?
							  argument_hint(member) :
							  psprintf("Perhaps you meant %s => '%s'.", argument, similar));
}
