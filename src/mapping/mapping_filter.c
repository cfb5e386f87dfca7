/*
 * mapping_filter.c
 *	  Filters that no record of a mapping's stream can match.
 *
 * A misspelled name in a pattern is no error, in AWS neither: the handler is
 * merely never called.  So each field of a pattern is compared with what
 * records are made of: the members of Lambda's events, the images of the view
 * type, the columns of the table, and the attribute types that values of a
 * column's type have.  A filter is futile if each of its alternatives has a
 * field that must be present, and cannot be.
 *
 * Records that were captured before the table was altered may still match, and
 * the table may get another column: a futile filter is worth a warning, and no
 * more.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "filter/filter_set.h"
#include "filter/filter_test.h"
#include "mapping/mapping_filter.h"
#include "registry/stream_catalog.h"
#include "registry/view_type.h"

/* What a leaf of a record holds */
typedef enum LeafKind
{
	LEAF_STRING,
	LEAF_NUMBER,
	LEAF_BOOLEAN
} LeafKind;

/* The members of a record that are leaves */
static const struct
{
	const char *path;
	LeafKind	kind;
} leaves[] = {
	{"eventID", LEAF_STRING},
	{"eventName", LEAF_STRING},
	{"eventVersion", LEAF_STRING},
	{"eventSource", LEAF_STRING},
	{"eventSourceARN", LEAF_STRING},
	{"awsRegion", LEAF_STRING},
	{"userIdentity.type", LEAF_STRING},
	{"userIdentity.principalId", LEAF_STRING},
	{"dynamodb.ApproximateCreationDateTime", LEAF_NUMBER},
	{"dynamodb.SequenceNumber", LEAF_STRING},
	{"dynamodb.SizeBytes", LEAF_NUMBER},
	{"dynamodb.StreamViewType", LEAF_STRING}};

static const char *const event_names[] = {"INSERT", "MODIFY", "REMOVE"};
static const char *const special_numbers[] = {"NaN", "Infinity", "-Infinity"};

/*
 * Returns what follows a name, and the dot behind it, in a path: "" at the end
 * of the path, NULL if the path does not begin with the name.
 */
static const char *
behind(const char *path, const char *name)
{
	size_t length = strlen(name);

	if (strncmp(path, name, length) != 0)
		return NULL;
	if (path[length] == '.')
		return path + length + 1;
	return path[length] == '\0' ? path + length : NULL;
}

static bool
may_pass(const FilterTest *test, LeafKind kind)
{
	switch (test->kind)
	{
		case FILTER_TEST_EXISTS:
		case FILTER_TEST_ANYTHING_BUT:
			return true;
		case FILTER_TEST_NULL:
			return false;
		case FILTER_TEST_BOOL:
			return kind == LEAF_BOOLEAN;
		case FILTER_TEST_NUMBER:
		case FILTER_TEST_NUMERIC:
			return kind == LEAF_NUMBER;
		default:
			return kind == LEAF_STRING;
	}
}

/* What is wrong with tests of a leaf of a kind, or NULL */
static const char *
judge_leaf(const FilterField *field, const char *path, const char *rest, LeafKind kind)
{
	if (*rest != '\0')
		return psprintf("There is nothing below \"%.*s\".",
						(int) (rest - path) - 1, path);
	for (int i = 0; i < field->test_count; i++)
	{
		if (may_pass(&field->tests[i], kind))
			return NULL;
	}
	switch (kind)
	{
		case LEAF_STRING:
			return psprintf("\"%s\" is a string, also where it is a number of DynamoDB.",
							path);
		case LEAF_NUMBER:
			return psprintf("\"%s\" is a number.", path);
		default:
			return psprintf("\"%s\" is true or false.", path);
	}
}

static bool
passes_one_of(const FilterField *field, const char *const *texts, int count)
{
	for (int i = 0; i < count; i++)
	{
		JsonbValue value = {.type = jbvString};

		value.val.string.val = unconstify(char *, texts[i]);
		value.val.string.len = (int) strlen(texts[i]);
		if (filter_test_any_passes(field->tests, field->test_count, &value))
			return true;
	}
	return false;
}

/*
 * Returns the attribute types that values of a type may have, but for NULL;
 * a null pointer if all are possible.  In place of a value that is too long
 * there is a marker, an S.
 */
static const char *
attribute_types(Oid type)
{
	type = getBaseType(type);
	switch (type)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case FLOAT4OID:
		case FLOAT8OID:
		case NUMERICOID:
			return "N";
		case BOOLOID:
			return "BOOL";
		case BYTEAOID:
			return "B S";
		case JSONOID:
		case JSONBOID:
		case INT2VECTOROID:
		case OIDVECTOROID:
			return NULL;
		default:
			if (OidIsValid(get_element_type(type)))
				return "L S";
			return type_is_rowtype(type) ? "M S" : "S";
	}
}

static bool
has_word(const char *words, const char *word)
{
	return strstr(psprintf(" %s ", words), psprintf(" %s ", word)) != NULL;
}

/* What is wrong with a field of a column's value, or NULL */
static const char *
judge_value(const FilterField *field, const char *path, const char *rest,
			const char *column, Oid type)
{
	static const char *const names[] = {"S", "N", "B", "BOOL", "NULL", "L", "M"};
	const char				*types = attribute_types(type);

	if (*rest == '\0')
		return psprintf("\"%s\" is an object: the value of a column is below its type, such as \"%s.S\".",
						path, path);
	for (Size i = 0; i < lengthof(names); i++)
	{
		const char *name = names[i];
		const char *below = behind(rest, name);

		if (below == NULL)
			continue;
		if (strcmp(name, "NULL") != 0 && types != NULL &&
			!has_word(types, name) &&
			!(strcmp(name, "S") == 0 && strcmp(types, "N") == 0 &&
			  passes_one_of(field, special_numbers, lengthof(special_numbers))))
			break;
		if (strcmp(name, "L") == 0 || strcmp(name, "M") == 0)
			return NULL;
		return judge_leaf(field, path, below,
						  strcmp(name, "BOOL") == 0 || strcmp(name, "NULL") == 0 ?
							  LEAF_BOOLEAN :
							  LEAF_STRING);
	}
	return psprintf("\"%s\" names no attribute type that values of column \"%s\" have: the type of the column is %s.",
					path, column, format_type_be(type));
}

static bool
is_key_column(const StreamInfo *stream, const char *column)
{
	for (int i = 0; i < stream->key_count; i++)
	{
		if (strcmp(stream->key_columns[i], column) == 0)
			return true;
	}
	return false;
}

/*
 * What is wrong with a field of the keys or of an image, or NULL.  Names of
 * columns may have dots.
 */
static const char *
judge_image(const FilterField *field, const StreamInfo *stream,
			const char *image, const char *path, const char *rest)
{
	const char *end = rest;
	bool		are_keys = strcmp(image, "Keys") == 0;

	if (!are_keys && stream->view_type != VIEW_NEW_AND_OLD_IMAGES &&
		!(stream->view_type == VIEW_NEW_IMAGE && strcmp(image, "NewImage") == 0) &&
		!(stream->view_type == VIEW_OLD_IMAGE && strcmp(image, "OldImage") == 0))
		return psprintf("Records of a stream with view type %s have no %s.",
						view_type_name(stream->view_type), image);
	if (*rest == '\0')
		return psprintf("\"%s\" is an object.", path);
	while (*end != '\0')
	{
		char			 *column;
		HeapTuple		  tuple;
		Form_pg_attribute attribute;
		Oid				  type;

		end += strcspn(end + 1, ".") + 1;
		column = pnstrdup(rest, end - rest);
		if (are_keys && !is_key_column(stream, column))
			continue;
		tuple = SearchSysCacheAttName(stream->table_oid, column);
		if (!HeapTupleIsValid(tuple))
			continue;
		attribute = (Form_pg_attribute) GETSTRUCT(tuple);
		type = attribute->attnum > 0 ? attribute->atttypid : InvalidOid;
		ReleaseSysCache(tuple);
		if (!OidIsValid(type))
			continue;
		return judge_value(field, path, *end == '.' ? end + 1 : end, column, type);
	}
	return psprintf(are_keys ? "The key of table \"%s\" has no column \"%.*s\"." :
							   "Table \"%s\" has no column \"%.*s\".",
					stream->table_name, (int) strcspn(rest, "."), rest);
}

/* What keeps a field from being in any record of a stream, or NULL */
static const char *
judge_field(const FilterField *field, void *argument)
{
	static const char *const images[] = {"Keys", "NewImage", "OldImage"};
	const StreamInfo		*stream = argument;
	const char				*path = pnstrdup(field->path.data, field->path.length);
	const char				*rest;

	for (Size i = 0; i < lengthof(leaves); i++)
	{
		rest = behind(path, leaves[i].path);
		if (rest == NULL)
			continue;
		if (strcmp(leaves[i].path, "eventName") == 0 && *rest == '\0' &&
			!passes_one_of(field, event_names, lengthof(event_names)))
			return "An eventName is INSERT, MODIFY or REMOVE.";
		return judge_leaf(field, path, rest, leaves[i].kind);
	}
	rest = behind(path, "dynamodb");
	for (Size i = 0; rest != NULL && i < lengthof(images); i++)
	{
		const char *below = behind(rest, images[i]);

		if (below != NULL)
			return judge_image(field, stream, images[i], path, below);
	}
	return psprintf("Records have nothing at \"%s\".", path);
}

void
mapping_filter_warn(const MappingInfo *mapping)
{
	StreamInfo *stream;
	FilterSet  *set;

	if (mapping->filter_criteria == NULL)
		return;
	stream = stream_catalog_by_id(mapping->stream_id, NULL);
	if (stream == NULL || stream->table_dropped)
		return;
	set = filter_set_compile(mapping->filter_criteria);
	for (int i = 0; i < filter_set_count(set); i++)
	{
		const char *problem = filter_set_problem(set, i, judge_field, stream);

		if (problem != NULL)
			ereport(WARNING,
					(errmsg("filter %d of the event source mapping can match no record",
							i + 1),
					 errdetail("%s", problem),
					 errhint("Names are those of Lambda's events, such as eventName and dynamodb.NewImage.<column>.<type>; ddbstreams.filter_matches() tries a pattern.")));
	}
	filter_set_free(set);
}
