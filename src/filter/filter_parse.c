/*
 * filter_parse.c
 *	  Compiling a filter pattern.
 *
 * The rules are event-ruler's.  A pattern is a tree of objects; its leaves are
 * arrays of values and operators.  "$or" is a choice if it has an array of two
 * objects or more, none of which has an operator's name as a key; any other
 * "$or" is an ordinary name.  Choices are multiplied out into alternatives, of
 * which there is a limit.
 *
 * EventBridge documents wildcard, cidr and most of the nested operators;
 * Lambda does not mention them.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/numeric.h"

#include "base/compat.h"
#include "filter/filter_parse.h"
#include "filter/filter_test.h"

/* AWS allows so many combinations of what "$or" offers. */
#define MAX_ALTERNATIVES 1000

/* Fields in all alternatives together, if there are several alternatives */
#define MAX_FIELD_REFERENCES 1000000

/* Bytes of a name that an error message shows */
#define EXCERPT_LENGTH 100

typedef struct FilterParser
{
	StringInfoData path;	   /* at hand; an object's ends in a dot */
	int64		   references; /* fields in all alternatives so far */
} FilterParser;

/* Alternatives that fields are being added to */
typedef struct AlternativeList
{
	int				   count;
	FilterAlternative *items;
} AlternativeList;

static void parse_object(FilterParser *parser, JsonbContainer *object,
						 AlternativeList *alternatives);

void
filter_parse_invalid(const char *detail, ...)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (;;)
	{
		va_list args;
		int		needed;

		va_start(args, detail);
		needed = appendStringInfoVA(&buf, detail, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&buf, needed);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("Invalid filter pattern definition."),
			 errdetail_internal("%s", buf.data)));
}

/* Returns the beginning of a text for an error message, palloc'd. */
static char *
excerpt(const char *text, int length)
{
	int clipped = pg_mbcliplen(text, length, EXCERPT_LENGTH);

	return psprintf("%.*s%s", clipped, text, clipped < length ? "..." : "");
}

/* Raises the error about the path at hand. */
static void
invalid_here(const FilterParser *parser, const char *what)
	pg_attribute_noreturn();

static void
invalid_here(const FilterParser *parser, const char *what)
{
	int length = parser->path.len;

	if (length > 0 && parser->path.data[length - 1] == '.')
		length--;
	filter_parse_invalid("At \"%s\": %s", excerpt(parser->path.data, length),
						 what);
}

static bool
name_is(const JsonbValue *name, const char *expected)
{
	return name->val.string.len == (int) strlen(expected) &&
		   memcmp(name->val.string.val, expected, name->val.string.len) == 0;
}

static bool
is_object(const JsonbValue *value)
{
	return value->type == jbvBinary && JsonContainerIsObject(value->val.binary.data);
}

static bool
is_array(const JsonbValue *value)
{
	return value->type == jbvBinary && JsonContainerIsArray(value->val.binary.data);
}

/*
 * Finds the only member of an object; returns false if there are more or none.
 */
static bool
only_member(const JsonbValue *object, JsonbValue *name, JsonbValue *value)
{
	JsonbIterator *it;

	if (JsonContainerSize(object->val.binary.data) != 1)
		return false;
	it = JsonbIteratorInit(object->val.binary.data);
	JsonbIteratorNext(&it, name, true); /* the beginning */
	JsonbIteratorNext(&it, name, true);
	JsonbIteratorNext(&it, value, true);
	return true;
}

/* --- values and operators ------------------------------------------------ */

static void
set_number(FilterTest *test, const JsonbValue *value)
{
	char *number = filter_test_number_text(value->val.numeric);

	filter_test_set_text(test, FILTER_TEST_NUMBER, number, (int) strlen(number));
}

static void
set_string(FilterParser *parser, FilterTest *test, FilterTestKind kind,
		   const JsonbValue *value, const char *name)
{
	if (value->type != jbvString)
		invalid_here(parser, psprintf("%s takes a string.", name));
	filter_test_set_text(test, kind, value->val.string.val, value->val.string.len);
}

static void
set_wildcard(FilterParser *parser, FilterTest *test, const JsonbValue *value)
{
	const char *wrong;

	if (value->type != jbvString)
		invalid_here(parser, "wildcard takes a string.");
	wrong = filter_test_set_wildcard(test, value->val.string.val,
									 value->val.string.len);
	if (wrong != NULL)
		invalid_here(parser, wrong);
}

static void
set_cidr(FilterParser *parser, FilterTest *test, const JsonbValue *value)
{
	const char *wrong;

	if (value->type != jbvString)
		invalid_here(parser, "cidr takes a string.");
	wrong = filter_test_set_cidr(test, value->val.string.val,
								 value->val.string.len);
	if (wrong != NULL)
		invalid_here(parser, wrong);
}

/* Sets prefix or suffix: a string, or {"equals-ignore-case": string}. */
static void
set_affix(FilterParser *parser, FilterTest *test, const char *name,
		  FilterTestKind kind, FilterTestKind folded_kind,
		  const JsonbValue *value)
{
	JsonbValue inner_name;
	JsonbValue inner;

	if (!is_object(value))
	{
		set_string(parser, test, kind, value, name);
		return;
	}
	if (!only_member(value, &inner_name, &inner) ||
		!name_is(&inner_name, "equals-ignore-case"))
		invalid_here(parser, psprintf("%s takes a string or {\"equals-ignore-case\": string}.", name));
	set_string(parser, test, folded_kind, &inner, "equals-ignore-case");
}

/* Reads a comparison of numeric at elements[0] and [1]. */
static double
numeric_operand(FilterParser *parser, const JsonbValue *elements,
				const char **comparison)
{
	static const char *const comparisons[] = {"=", "<", "<=", ">", ">="};
	char					*number;
	double					 result;

	*comparison = NULL;
	for (int i = 0; i < (int) lengthof(comparisons); i++)
	{
		if (elements[0].type == jbvString && name_is(&elements[0], comparisons[i]))
			*comparison = comparisons[i];
	}
	if (*comparison == NULL)
		invalid_here(parser, "numeric compares by =, <, <=, > or >=.");
	if (elements[1].type != jbvNumeric)
		invalid_here(parser, "numeric compares with a number.");
	number = DatumGetCString(DirectFunctionCall1(numeric_out,
												 NumericGetDatum(elements[1].val.numeric)));
	if (!filter_test_number_as_double(number, &result))
		invalid_here(parser, psprintf("numeric cannot compare with %s, which is out of the range or precision of a double.",
									  excerpt(number, (int) strlen(number))));
	return result;
}

/* Sets numeric: one comparison, or > or >= and then < or <=. */
static void
set_numeric(FilterParser *parser, FilterTest *test, const JsonbValue *value)
{
	JsonbValue		   elements[4];
	int				   count = 0;
	JsonbIterator	  *it;
	JsonbIteratorToken token;
	JsonbValue		   element;
	const char		  *comparison;
	const char		  *second;
	double			   number;

	if (!is_array(value))
		invalid_here(parser, "numeric takes an array.");
	it = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &element, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		if (count == lengthof(elements))
			invalid_here(parser, "numeric takes one comparison, or two for a range.");
		elements[count++] = element;
	}
	if (count != 2 && count != 4)
		invalid_here(parser, "numeric takes one comparison, or two for a range, each with a number.");

	test->kind = FILTER_TEST_NUMERIC;
	test->u.numeric.low = -get_float8_infinity();
	test->u.numeric.high = get_float8_infinity();

	number = numeric_operand(parser, &elements[0], &comparison);
	if (comparison[0] != '<')
	{
		test->u.numeric.low = number;
		test->u.numeric.low_open = strcmp(comparison, ">") == 0;
	}
	if (comparison[0] != '>')
	{
		test->u.numeric.high = number;
		test->u.numeric.high_open = strcmp(comparison, "<") == 0;
	}
	if (count == 2)
		return;

	number = numeric_operand(parser, &elements[2], &second);
	if (comparison[0] != '>' || second[0] != '<')
		invalid_here(parser, "a range of numeric begins with > or >= and ends with < or <=.");
	if (number <= test->u.numeric.low)
		invalid_here(parser, "the end of a range of numeric must be above its beginning.");
	test->u.numeric.high = number;
	test->u.numeric.high_open = strcmp(second, "<") == 0;
}

/* Sets a test for a value that anything-but excludes, of this kind. */
static void
set_excluded(FilterParser *parser, FilterTest *test, FilterTestKind kind,
			 const char *name, const JsonbValue *value)
{
	switch (kind)
	{
		case FILTER_TEST_WILDCARD:
			set_wildcard(parser, test, value);
			break;
		case FILTER_TEST_NUMBER:
			set_number(test, value);
			break;
		case FILTER_TEST_PREFIX:
		case FILTER_TEST_SUFFIX:
			if (value->type == jbvString && value->val.string.len == 0)
				invalid_here(parser, psprintf("anything-but excludes everything with an empty %s.", name));
			pg_fallthrough;
		default:
			set_string(parser, test, kind, value, name);
	}
}

/*
 * Sets anything-but: a string or number, an array of either, or a nested
 * operator with a string or an array of strings.
 */
static void
set_anything_but(FilterParser *parser, FilterTest *test,
				 const JsonbValue *value)
{
	static const struct
	{
		const char	  *name;
		FilterTestKind kind;
	} nested[] = {
		{"prefix", FILTER_TEST_PREFIX},
		{"suffix", FILTER_TEST_SUFFIX},
		{"equals-ignore-case", FILTER_TEST_FOLDED},
		{"wildcard", FILTER_TEST_WILDCARD},
	};
	const char		  *name = NULL;
	FilterTestKind	   kind = FILTER_TEST_STRING;
	JsonbValue		   inner_name;
	JsonbValue		   inner = *value;
	JsonbIterator	  *it;
	JsonbIteratorToken token;
	JsonbValue		   element;
	int				   count = 0;

	if (is_object(value))
	{
		if (only_member(value, &inner_name, &inner))
		{
			for (int i = 0; i < (int) lengthof(nested); i++)
			{
				if (name_is(&inner_name, nested[i].name))
				{
					name = nested[i].name;
					kind = nested[i].kind;
				}
			}
		}
		if (name == NULL)
			invalid_here(parser, "anything-but takes strings, numbers, or one of prefix, suffix, equals-ignore-case and wildcard.");
	}

	test->kind = FILTER_TEST_ANYTHING_BUT;
	if (!is_array(&inner))
	{
		if (name == NULL && inner.type == jbvNumeric)
			kind = FILTER_TEST_NUMBER;
		else if (name == NULL && inner.type != jbvString)
			invalid_here(parser, "anything-but takes strings or numbers.");
		test->u.anything_but.count = 1;
		test->u.anything_but.tests = palloc0(sizeof(FilterTest));
		set_excluded(parser, test->u.anything_but.tests, kind,
					 name, &inner);
		return;
	}

	if (JsonContainerSize(inner.val.binary.data) == 0)
		invalid_here(parser, "anything-but takes an array of at least one value.");
	test->u.anything_but.tests =
		MemoryContextAllocExtended(CurrentMemoryContext,
								   sizeof(FilterTest) * (Size) JsonContainerSize(inner.val.binary.data),
								   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	it = JsonbIteratorInit(inner.val.binary.data);
	while ((token = JsonbIteratorNext(&it, &element, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		if (name == NULL)
		{
			if (count == 0 && element.type == jbvNumeric)
				kind = FILTER_TEST_NUMBER;
			if (element.type != (kind == FILTER_TEST_NUMBER ? jbvNumeric : jbvString))
				invalid_here(parser, "the values that anything-but takes are all strings or all numbers.");
		}
		set_excluded(parser, &test->u.anything_but.tests[count++], kind, name,
					 &element);
	}
	test->u.anything_but.count = count;
}

static void
unknown_operator(FilterParser *parser, const JsonbValue *name)
{
	const char *note = "";
	char	   *operator_name = excerpt(name->val.string.val, name->val.string.len);

	/* The caller may have meant a choice. */
	if (parser->path.len >= 3 &&
		strcmp(parser->path.data + parser->path.len - 3, "$or") == 0)
		note = " (\"$or\" is a choice between two objects or more, without operators as keys)";
	invalid_here(parser, psprintf("there is no operator \"%s\"%s.", operator_name, note));
}

/* Sets the operator that an object is, or makes the field one of absence. */
static void
set_operator(FilterParser *parser, FilterField *field, FilterTest *test,
			 const JsonbValue *object)
{
	JsonbValue name;
	JsonbValue value;

	if (!only_member(object, &name, &value))
		invalid_here(parser, "an object in an array is one operator.");

	if (name_is(&name, "exists"))
	{
		if (value.type != jbvBool)
			invalid_here(parser, "exists takes true or false.");
		test->kind = FILTER_TEST_EXISTS;
		if (!value.val.boolean)
		{
			field->may_be_absent = true;
			field->test_count--;
		}
	}
	else if (name_is(&name, "prefix"))
		set_affix(parser, test, "prefix", FILTER_TEST_PREFIX,
				  FILTER_TEST_FOLDED_PREFIX, &value);
	else if (name_is(&name, "suffix"))
		set_affix(parser, test, "suffix", FILTER_TEST_SUFFIX,
				  FILTER_TEST_FOLDED_SUFFIX, &value);
	else if (name_is(&name, "equals-ignore-case"))
		set_string(parser, test, FILTER_TEST_FOLDED, &value, "equals-ignore-case");
	else if (name_is(&name, "exactly"))
		set_string(parser, test, FILTER_TEST_STRING, &value, "exactly");
	else if (name_is(&name, "anything-but"))
		set_anything_but(parser, test, &value);
	else if (name_is(&name, "numeric"))
		set_numeric(parser, test, &value);
	else if (name_is(&name, "wildcard"))
		set_wildcard(parser, test, &value);
	else if (name_is(&name, "cidr"))
		set_cidr(parser, test, &value);
	else
		unknown_operator(parser, &name);
}

/* Reads the array of the field whose path is at hand. */
static FilterField *
parse_field(FilterParser *parser, JsonbContainer *array)
{
	FilterField		  *field = palloc0(sizeof(FilterField));
	JsonbIterator	  *it = JsonbIteratorInit(array);
	JsonbIteratorToken token;
	JsonbValue		   value;

	if (JsonContainerSize(array) == 0)
		invalid_here(parser, "an array must not be empty.");
	field->path.data = pnstrdup(parser->path.data, parser->path.len);
	field->path.length = parser->path.len;
	field->tests = MemoryContextAllocExtended(CurrentMemoryContext,
											  sizeof(FilterTest) * (Size) JsonContainerSize(array),
											  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);

	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		FilterTest *test;

		if (token != WJB_ELEM)
			continue;
		CHECK_FOR_INTERRUPTS();
		test = &field->tests[field->test_count++];
		if (is_object(&value))
			set_operator(parser, field, test, &value);
		else if (value.type == jbvNumeric)
			set_number(test, &value);
		else if (value.type == jbvString)
			filter_test_set_text(test, FILTER_TEST_STRING, value.val.string.val,
								 value.val.string.len);
		else if (value.type == jbvBool)
		{
			test->kind = FILTER_TEST_BOOL;
			test->u.boolean = value.val.boolean;
		}
		else if (value.type == jbvNull)
			test->kind = FILTER_TEST_NULL;
		else
			invalid_here(parser, "an array in an array is no value.");
	}
	return field;
}

/* --- objects ------------------------------------------------------------- */

/* Adds a field to all alternatives. */
static void
add_field(FilterParser *parser, AlternativeList *alternatives, FilterField *field)
{
	for (int i = 0; i < alternatives->count; i++)
	{
		FilterAlternative *alternative = &alternatives->items[i];

		if (alternative->count == alternative->allocated)
		{
			alternative->allocated = Max(8, alternative->allocated * 2);
			alternative->fields = alternative->fields == NULL ?
									  palloc(sizeof(FilterField *) * alternative->allocated) :
									  repalloc_huge(alternative->fields,
													sizeof(FilterField *) * alternative->allocated);
		}
		alternative->fields[alternative->count++] = field;
	}
	parser->references += alternatives->count;
	if (alternatives->count > 1 && parser->references > MAX_FIELD_REFERENCES)
		filter_parse_invalid("The combinations of what \"$or\" offers are too many.");
}

/* Is "$or" with this value a choice, and not an ordinary name? */
static bool
is_choice(const JsonbValue *value)
{
	static const char *const reserved[] = {
		"exactly", "equals-ignore-case", "prefix", "suffix", "anything-but",
		"exists", "wildcard", "numeric", "cidr", "=", "<", "<=", ">", ">=",
		"regex", "not-wildcard", "not-equals-ignore-case"};
	JsonbIterator	  *it;
	JsonbIteratorToken token;
	JsonbValue		   element;
	bool			   choice = true;

	if (!is_array(value) || JsonContainerSize(value->val.binary.data) < 2)
		return false;
	it = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &element, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		choice = choice && is_object(&element);
		for (int i = 0; choice && i < (int) lengthof(reserved); i++)
		{
			JsonbValue member;

			choice = getKeyJsonValueFromContainer(element.val.binary.data, reserved[i],
												  (int) strlen(reserved[i]), &member) == NULL;
		}
	}
	return choice;
}

/*
 * Multiplies the alternatives by the objects of a choice: for each object
 * there is a copy of the alternatives, to which the object's fields are added.
 */
static void
parse_choice(FilterParser *parser, JsonbContainer *array,
			 AlternativeList *alternatives)
{
	AlternativeList	   before = *alternatives;
	JsonbIterator	  *it = JsonbIteratorInit(array);
	JsonbIteratorToken token;
	JsonbValue		   element;

	alternatives->count = 0;
	alternatives->items = palloc(sizeof(FilterAlternative) * MAX_ALTERNATIVES);
	while ((token = JsonbIteratorNext(&it, &element, true)) != WJB_DONE)
	{
		AlternativeList branch;

		if (token != WJB_ELEM)
			continue;
		CHECK_FOR_INTERRUPTS();
		branch.count = before.count;
		branch.items = palloc(sizeof(FilterAlternative) * before.count);
		for (int i = 0; i < before.count; i++)
		{
			FilterAlternative *copy = &branch.items[i];

			*copy = before.items[i];
			copy->allocated = copy->count;
			parser->references += copy->count;
			if (copy->count > 0)
			{
				copy->fields = palloc(sizeof(FilterField *) * copy->count);
				memcpy(copy->fields, before.items[i].fields,
					   sizeof(FilterField *) * copy->count);
			}
			else
				copy->fields = NULL;
		}
		parse_object(parser, element.val.binary.data, &branch);
		if (alternatives->count + branch.count > MAX_ALTERNATIVES)
			filter_parse_invalid("The combinations of what \"$or\" offers are more than %d.",
								 MAX_ALTERNATIVES);
		memcpy(&alternatives->items[alternatives->count], branch.items,
			   sizeof(FilterAlternative) * branch.count);
		alternatives->count += branch.count;
		pfree(branch.items);
	}
}

/* Adds the fields of an object whose path is at hand to the alternatives. */
static void
parse_object(FilterParser *parser, JsonbContainer *object,
			 AlternativeList *alternatives)
{
	JsonbIterator	  *it = JsonbIteratorInit(object);
	JsonbIteratorToken token;
	JsonbValue		   name;
	JsonbValue		   value;
	int				   length = parser->path.len;

	check_stack_depth();
	if (JsonContainerSize(object) == 0)
		invalid_here(parser, "an object must not be empty.");

	while ((token = JsonbIteratorNext(&it, &name, true)) != WJB_DONE)
	{
		if (token != WJB_KEY)
			continue;
		CHECK_FOR_INTERRUPTS();
		JsonbIteratorNext(&it, &value, true);

		if (name_is(&name, "$or") && is_choice(&value))
		{
			parse_choice(parser, value.val.binary.data, alternatives);
			continue;
		}

		appendBinaryStringInfo(&parser->path, name.val.string.val,
							   name.val.string.len);
		if (is_array(&value))
			add_field(parser, alternatives,
					  parse_field(parser, value.val.binary.data));
		else if (is_object(&value))
		{
			appendStringInfoChar(&parser->path, '.');
			parse_object(parser, value.val.binary.data, alternatives);
		}
		else
			invalid_here(parser, "a name must have an object or an array.");
		parser->path.len = length;
		parser->path.data[length] = '\0';
	}
}

/*
 * Orders fields by their paths.  A dot comes before all other characters, so
 * that the fields below a name come right after the name.
 */
static int
compare_fields(const void *a, const void *b)
{
	const FilterText *left = &(*(FilterField *const *) a)->path;
	const FilterText *right = &(*(FilterField *const *) b)->path;
	int				  common = Min(left->length, right->length);

	for (int i = 0; i < common; i++)
	{
		unsigned char l = left->data[i];
		unsigned char r = right->data[i];

		if (l == r)
			continue;
		if (l == '.' || r == '.')
			return l == '.' ? -1 : 1;
		return l < r ? -1 : 1;
	}
	return (left->length > right->length) - (left->length < right->length);
}

FilterPattern *
filter_parse_pattern(Jsonb *pattern)
{
	FilterPattern  *result = palloc(sizeof(FilterPattern));
	FilterParser	parser = {.references = 0};
	AlternativeList alternatives = {.count = 1};

	if (!JB_ROOT_IS_OBJECT(pattern))
		filter_parse_invalid("A pattern is a JSON object.");
	if (JB_ROOT_COUNT(pattern) == 0)
		filter_parse_invalid("A pattern must not be empty.");

	initStringInfo(&parser.path);
	alternatives.items = palloc0(sizeof(FilterAlternative));
	parse_object(&parser, &pattern->root, &alternatives);

	for (int i = 0; i < alternatives.count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		qsort(alternatives.items[i].fields, alternatives.items[i].count,
			  sizeof(FilterField *), compare_fields);
	}
	result->count = alternatives.count;
	result->alternatives = alternatives.items;
	return result;
}
