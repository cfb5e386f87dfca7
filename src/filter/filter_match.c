/*
 * filter_match.c
 *	  Whether a record matches a pattern.
 *
 * Only what the pattern names is looked at.  The fields of an alternative walk
 * down the record together; fields that share a step form a group.  Where a
 * group comes to an array, all its fields must hold in the same element:
 * {"a":[1],"b":[2]} does not match [{"a":1},{"b":2}].  Arrays beside each
 * other are independent.
 *
 * A field that demands absence chooses no element of an array.  As in
 * event-ruler, fields are taken in the order of their paths (with dots first).
 * Such a field demands absence from the element that an earlier field has
 * chosen, or from all elements if there is no earlier field.
 *
 * Only leaves exist: {"exists": true} holds neither for an object, empty or
 * not, nor for an empty array.
 *
 * Because names are joined by dots, an object may have several ways to one
 * path: a key "a" and below it "b", and a key "a.b".  There, fields are
 * matched one by one, and further down they need not hold in the same element
 * of an array.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "filter/filter_match.h"
#include "filter/filter_test.h"

/*
 * "offset" is the number of bytes of the fields' paths that have been walked,
 * the dot behind them included.  A path that is walked to its end has no dot
 * there, and so is shorter than the offset.
 */
#define AT_END(field, offset) ((offset) > (field)->path.length)

static bool value_matches(const JsonbValue *value, FilterField **fields,
						  int count, int offset);

/*
 * Steps from an object along a field's path, from *offset on.  Returns how
 * many ways there are, 0, 1, or 2 for more.  *offset and *value are set to the
 * end of the first way and to what is there.
 */
static int
step_along_path(JsonbContainer *object, const FilterField *field, int *offset,
				JsonbValue *value)
{
	const char *start = field->path.data + *offset;
	const char *end = field->path.data + field->path.length;
	const char *dot = start;
	int			ways = 0;
	int			next = *offset;
	JsonbValue	other;

	while (ways < 2)
	{
		JsonbValue *found = ways == 0 ? value : &other;

		CHECK_FOR_INTERRUPTS();
		dot = memchr(dot, '.', end - dot);
		if (dot == NULL)
			dot = end;
		if (getKeyJsonValueFromContainer(object, start, (int) (dot - start),
										 found) != NULL &&
			ways++ == 0)
			next = (int) (dot - field->path.data) + 1;
		if (dot == end)
			break;
		dot++;
	}
	*offset = next;
	return ways;
}

/*
 * Is there a leaf at the field's path below a value?  With "test" it has to
 * pass the field's tests.
 */
static bool
has_leaf(const JsonbValue *value, const FilterField *field, int offset,
		 bool test)
{
	JsonbContainer *container;
	const char	   *start;
	const char	   *end;
	const char	   *dot;

	check_stack_depth();
	CHECK_FOR_INTERRUPTS();

	if (value->type != jbvBinary)
		return AT_END(field, offset) &&
			   (!test || filter_test_any_passes(field->tests, field->test_count, value));

	container = value->val.binary.data;
	if (JsonContainerIsArray(container))
	{
		JsonbIterator	  *it = JsonbIteratorInit(container);
		JsonbIteratorToken token;
		JsonbValue		   element;

		while ((token = JsonbIteratorNext(&it, &element, true)) != WJB_DONE)
		{
			if (token == WJB_ELEM && has_leaf(&element, field, offset, test))
			{
				pfree(it);
				return true;
			}
		}
		return false;
	}

	if (AT_END(field, offset))
		return false;
	start = dot = field->path.data + offset;
	end = field->path.data + field->path.length;
	for (;;)
	{
		JsonbValue child;

		CHECK_FOR_INTERRUPTS();
		dot = memchr(dot, '.', end - dot);
		if (dot == NULL)
			dot = end;
		if (getKeyJsonValueFromContainer(container, start, (int) (dot - start),
										 &child) != NULL &&
			has_leaf(&child, field, (int) (dot - field->path.data) + 1, test))
			return true;
		if (dot == end)
			return false;
		dot++;
	}
}

/* Do all fields allow that there is no leaf at their paths? */
static bool
all_may_be_absent(FilterField **fields, int count)
{
	for (int i = 0; i < count; i++)
	{
		if (!fields[i]->may_be_absent)
			return false;
	}
	return true;
}

/* Does the next field take only the step that led the first one to offset? */
static bool
takes_same_step(JsonbContainer *object, const FilterField *first,
				const FilterField *next, int before, int offset)
{
	JsonbValue value;
	int		   length = offset - before - 1; /* of the key */
	int		   end = before + length;

	if (next->path.length < end ||
		memcmp(next->path.data + before, first->path.data + before, length) != 0 ||
		(next->path.length > end && next->path.data[end] != '.'))
		return false;
	/* That step is one of its ways; is it the only one? */
	return step_along_path(object, next, &before, &value) == 1;
}

/* Do the fields, which go on below an object, hold in it? */
static bool
object_matches(JsonbContainer *object, FilterField **fields, int count,
			   int before)
{
	for (int i = 0; i < count;)
	{
		FilterField *field = fields[i];
		JsonbValue	 value;
		int			 offset = before;
		int			 group = 1;

		switch (step_along_path(object, field, &offset, &value))
		{
			case 0:
				if (!field->may_be_absent)
					return false;
				break;
			case 1:
				while (i + group < count &&
					   takes_same_step(object, field, fields[i + group],
									   before, offset))
					group++;
				if (!value_matches(&value, &fields[i], group, offset))
					return false;
				break;
			default:
				value.type = jbvBinary;
				value.val.binary.data = object;
				if (!has_leaf(&value, field, before, true) &&
					!(field->may_be_absent &&
					  !has_leaf(&value, field, before, false)))
					return false;
		}
		i += group;
	}
	return true;
}

/* Do the fields hold in one element of an array? */
static bool
array_matches(const JsonbValue *array, FilterField **fields, int count,
			  int offset)
{
	JsonbContainer	  *container = array->val.binary.data;
	FilterField		 **copy = NULL;
	FilterField		   present;
	JsonbIterator	  *it;
	JsonbIteratorToken token;
	JsonbValue		   element;
	bool			   matches = false;

	/* Absent from the only element and absent from all are the same. */
	if (JsonContainerSize(container) != 1)
	{
		while (count > 0 && fields[0]->may_be_absent &&
			   !has_leaf(array, fields[0], offset, false))
		{
			fields++;
			count--;
		}
		if (count == 0)
			return true;

		/* It is present, so the chosen element has to pass its tests. */
		if (fields[0]->may_be_absent)
		{
			if (fields[0]->test_count == 0)
				return false;
			present = *fields[0];
			present.may_be_absent = false;
			copy = palloc(sizeof(FilterField *) * count);
			memcpy(copy, fields, sizeof(FilterField *) * count);
			copy[0] = &present;
			fields = copy;
		}
	}

	it = JsonbIteratorInit(container);
	while (!matches && (token = JsonbIteratorNext(&it, &element, true)) != WJB_DONE)
		matches = token == WJB_ELEM &&
				  value_matches(&element, fields, count, offset);
	if (it != NULL)
		pfree(it);
	if (copy != NULL)
		pfree(copy);
	return matches;
}

/*
 * Do the fields, whose paths have been walked up to offset, hold in a value?
 */
static bool
value_matches(const JsonbValue *value, FilterField **fields, int count,
			  int offset)
{
	check_stack_depth();
	CHECK_FOR_INTERRUPTS();

	if (value->type == jbvBinary)
	{
		JsonbContainer *container = value->val.binary.data;
		int				ended = 0;

		if (JsonContainerIsArray(container))
			return array_matches(value, fields, count, offset);

		/* Paths that end here sort before those that go on. */
		while (ended < count && AT_END(fields[ended], offset))
			ended++;
		return all_may_be_absent(fields, ended) &&
			   object_matches(container, fields + ended, count - ended, offset);
	}

	for (int i = 0; i < count; i++)
	{
		if (AT_END(fields[i], offset) ?
				!filter_test_any_passes(fields[i]->tests, fields[i]->test_count, value) :
				!fields[i]->may_be_absent)
			return false;
	}
	return true;
}

bool
filter_match_pattern(const FilterPattern *pattern, Jsonb *record)
{
	for (int i = 0; i < pattern->count; i++)
	{
		const FilterAlternative *alternative = &pattern->alternatives[i];

		if (object_matches(&record->root, alternative->fields,
						   alternative->count, 0))
			return true;
	}
	return false;
}

bool
filter_match_may_match(const FilterAlternative *alternative,
					   const FilterKnownPart *parts, int part_count,
					   bool *decided)
{
	FilterField **fields = palloc(sizeof(FilterField *) * Max(alternative->count, 1));
	int			  known = 0;
	bool		  may_match = true;

	for (int i = 0; i < part_count && may_match; i++)
	{
		int length = (int) strlen(parts[i].path);
		int count = 0;

		for (int j = 0; j < alternative->count; j++)
		{
			FilterField *field = alternative->fields[j];

			if (field->path.length >= length &&
				memcmp(field->path.data, parts[i].path, length) == 0 &&
				(field->path.length == length || field->path.data[length] == '.'))
				fields[count++] = field;
		}
		known += count;
		may_match = value_matches(parts[i].value, fields, count, length + 1);
	}

	*decided = known == alternative->count;
	pfree(fields);
	return may_match;
}
