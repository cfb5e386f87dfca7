/*
 * delivery_answer.c
 *	  Understanding a handler's answer.
 *
 * If the answer is an object, two of its members count: state, the state of a
 * tumbling window, and, where the mapping asks for it, batchItemFailures.  The
 * lowest sequence number in batchItemFailures tells where the batch has
 * failed.  An identifier that is not a sequence number of the batch fails the
 * whole batch.  Any other answer is a success.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "base/sequence_number.h"
#include "delivery/delivery.h"
#include "delivery/delivery_answer.h"

/* Returns a member of an object, or NULL. */
static JsonbValue *
answer_member(JsonbContainer *object, const char *name)
{
	return getKeyJsonValueFromContainer(object, name, strlen(name), NULL);
}

/* Returns the index of the record that has that number, or -1. */
static int
find_number(const JsonbValue *identifier, const int64 *numbers, int count)
{
	char  digits[NUMBER_DIGITS + 1];
	int64 number;
	int	  low = 0;
	int	  high = count - 1;

	if (identifier->type != jbvString ||
		identifier->val.string.len != NUMBER_DIGITS)
		return -1;
	memcpy(digits, identifier->val.string.val, NUMBER_DIGITS);
	digits[NUMBER_DIGITS] = '\0';
	if (strspn(digits, "0123456789") != NUMBER_DIGITS)
		return -1;
	number = sequence_number_parse(digits);
	while (low <= high)
	{
		int middle = (low + high) / 2;

		if (numbers[middle] == number)
			return middle;
		if (numbers[middle] < number)
			low = middle + 1;
		else
			high = middle - 1;
	}
	return -1;
}

static void
fail_whole_batch(DeliveryAnswer *answer, const char *problem)
{
	answer->kind = ANSWER_BATCH_FAILED;
	answer->problem = problem;
}

static void
read_failures(DeliveryAnswer *answer, JsonbContainer *failures,
			  const int64 *numbers, int count)
{
	JsonbIterator	  *it = JsonbIteratorInit(failures);
	JsonbValue		   value;
	JsonbIteratorToken token;

	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		JsonbValue *identifier = NULL;
		int			found;

		if (token != WJB_ELEM)
			continue;
		if (value.type == jbvBinary && JsonContainerIsObject(value.val.binary.data))
			identifier = answer_member(value.val.binary.data, "itemIdentifier");
		if (identifier == NULL)
		{
			fail_whole_batch(answer, "an element of batchItemFailures has no itemIdentifier");
			return;
		}
		found = find_number(identifier, numbers, count);
		if (found < 0)
		{
			fail_whole_batch(answer, "an itemIdentifier in batchItemFailures is not a sequence number of the batch");
			return;
		}
		if (answer->kind == ANSWER_SUCCESS || found < answer->first_failed)
			answer->first_failed = found;
		answer->kind = ANSWER_ITEM_FAILED;
	}
}

DeliveryAnswer
delivery_answer_read(Jsonb *answer, bool reports_failures, const int64 *numbers,
					 int count)
{
	DeliveryAnswer result = {.kind = ANSWER_SUCCESS};
	JsonbValue	  *value;

	if (answer == NULL)
		return result;
	if (VARSIZE(answer) > DELIVERY_MAX_PAYLOAD)
	{
		fail_whole_batch(&result, "the answer is larger than 6 MB");
		result.is_unhandled = true;
		return result;
	}
	if (!JB_ROOT_IS_OBJECT(answer))
		return result;

	value = answer_member(&answer->root, "state");
	if (value != NULL && value->type == jbvBinary &&
		JsonContainerIsObject(value->val.binary.data))
		result.state = JsonbValueToJsonb(value);

	value = reports_failures ? answer_member(&answer->root, "batchItemFailures") : NULL;
	if (value == NULL || value->type == jbvNull)
		return result;
	if (value->type != jbvBinary || !JsonContainerIsArray(value->val.binary.data))
		fail_whole_batch(&result, "batchItemFailures is not an array");
	else
		read_failures(&result, value->val.binary.data, numbers, count);
	return result;
}
