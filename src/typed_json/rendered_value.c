/*
 * rendered_value.c
 *	  Values rendered at capture, which need no catalogue later.
 *
 * An enum label, the columns of a composite type or a type itself may be gone
 * or mean something else when a record is read.  So values of all types that
 * are not raw (typed_json_is_raw) are turned into text and typed JSON when
 * they are captured.  The first byte of the varlena says what follows:
 *
 *	 RENDERED_TEXT		the text output; the typed JSON is {"S":text}
 *	 RENDERED_JSON		item size (8 bytes), length of the typed JSON (4),
 *						typed JSON, text output
 *	 RENDERED_MARKER	the reason why the value could not be rendered
 *
 * The varlena may be stored with a short header, so nothing in it is aligned.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "base/fixed_settings.h"
#include "base/guarded_call.h"
#include "base/settings.h"
#include "typed_json/json_container.h"
#include "typed_json/rendered_value.h"
#include "typed_json/typed_json.h"

#define RENDERED_TEXT	'T'
#define RENDERED_JSON	'J'
#define RENDERED_MARKER '!'

#define JSON_HEADER_SIZE (1 + sizeof(int64) + sizeof(uint32))

/*
 * A value with a larger typed JSON than this is not rendered but becomes a
 * marker.
 */
#define MAX_JSON_LENGTH (MaxAllocSize / 4)

/*
 * The text of a value can be longer than any string may be: bits become bytes,
 * and each level of arrays, composite types and ranges may double quotes and
 * backslashes.  The statement that is captured must not fail by that.  So what
 * is larger than this, divided by two for each level, is rendered in a
 * subtransaction.
 */
#define SAFE_SIZE	((Size) 32 * 1024 * 1024)
#define SAFE_LEVELS 25 /* SAFE_SIZE is 2^25 */

/* What the text output of a type depends on */
typedef enum OutputNeeds
{
	OUTPUT_NEEDS_NOTHING,
	OUTPUT_NEEDS_FORMATS, /* fixed_settings_set_formats: cheap */
	OUTPUT_NEEDS_SETTINGS /* fixed_settings_begin: all settings */
} OutputNeeds;

/* How values of a type are rendered */
typedef enum TypeKind
{
	KIND_RAW,
	KIND_ENUM,
	KIND_COMPOSITE,
	KIND_ARRAY,
	KIND_TEXT
} TypeKind;

static int64 write_any_value(JsonWriter *writer, Oid type, Datum value);

/* Returns the type cache's entry of a type, of a domain's base type. */
static TypeCacheEntry *
base_type(Oid type)
{
	TypeCacheEntry *entry = lookup_type_cache(type, 0);

	if (entry->typtype != TYPTYPE_DOMAIN)
		return entry;
	return lookup_type_cache(getBaseType(type), 0);
}

static bool
is_array_type(const TypeCacheEntry *entry)
{
	return entry->typlen == -1 && OidIsValid(entry->typelem) &&
		   entry->typsubscript == F_ARRAY_SUBSCRIPT_HANDLER;
}

static TypeKind
type_kind(const TypeCacheEntry *entry)
{
	if (typed_json_is_raw(entry->type_id))
		return KIND_RAW;
	if (entry->typtype == TYPTYPE_ENUM)
		return KIND_ENUM;
	if (entry->typtype == TYPTYPE_COMPOSITE || entry->type_id == RECORDOID)
		return KIND_COMPOSITE;
	if (is_array_type(entry))
		return KIND_ARRAY;
	return KIND_TEXT;
}

/*
 * Returns what the output of a type depends on, and sets *levels to how deep
 * arrays, composite types and ranges are nested in it.  All but a list of
 * built-in types need all settings: an extension's output function may read
 * any.
 */
static OutputNeeds
output_needs(Oid type, int *levels)
{
	TypeCacheEntry *entry = base_type(type);
	OutputNeeds		needs = OUTPUT_NEEDS_NOTHING;
	TupleDesc		desc;

	check_stack_depth();

	*levels = 0;
	switch (type_kind(entry))
	{
		case KIND_RAW:
			return OUTPUT_NEEDS_FORMATS;
		case KIND_ENUM:
			return OUTPUT_NEEDS_NOTHING;
		case KIND_ARRAY:
			needs = output_needs(entry->typelem, levels);
			++*levels;
			return needs;
		case KIND_COMPOSITE:
			if (entry->type_id == RECORDOID)
				return OUTPUT_NEEDS_SETTINGS;
			desc = lookup_rowtype_tupdesc(entry->type_id, -1);
			for (int i = 0; i < desc->natts; i++)
			{
				Form_pg_attribute attribute = TupleDescAttr(desc, i);
				OutputNeeds		  more;
				int				  more_levels;

				if (attribute->attisdropped)
					continue;
				more = output_needs(attribute->atttypid, &more_levels);
				needs = Max(needs, more);
				*levels = Max(*levels, more_levels);
			}
			ReleaseTupleDesc(desc);
			++*levels;
			return needs;
		case KIND_TEXT:
			break;
	}

	if (entry->typtype == TYPTYPE_RANGE || entry->typtype == TYPTYPE_MULTIRANGE)
	{
		needs = output_needs(entry->typtype == TYPTYPE_RANGE ?
								 get_range_subtype(entry->type_id) :
								 get_multirange_range(entry->type_id),
							 levels);
		++*levels;
		return needs;
	}

	switch (entry->type_id)
	{
		case BITOID:
		case VARBITOID:
		case OIDOID:
		case XIDOID:
		case XID8OID:
		case CIDOID:
		case TIDOID:
		case POINTOID:
		case LSEGOID:
		case PATHOID:
		case BOXOID:
		case POLYGONOID:
		case LINEOID:
		case CIRCLEOID:
		case TSVECTOROID:
		case TSQUERYOID:
		case JSONPATHOID:
		case PG_LSNOID:
		case XMLOID:
			return OUTPUT_NEEDS_FORMATS;
		default:
			return OUTPUT_NEEDS_SETTINGS;
	}
}

/* Returns a value as functions take it that look at its bytes. */
static Datum
unpack_value(const TypeCacheEntry *entry, Datum value)
{
	if (entry->typlen == -1)
		return PointerGetDatum(PG_DETOAST_DATUM_PACKED(value));
	return value;
}

/* Runs the output function. */
static char *
output_text(Oid type, Datum value)
{
	Oid	 function;
	bool is_varlena;

	getTypeOutputInfo(type, &function, &is_varlena);
	return OidOutputFunctionCall(function, value);
}

static HeapTuple
enum_tuple(Datum value)
{
	HeapTuple tuple = SearchSysCache1(ENUMOID, value);

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("invalid internal value for enum: %u",
						DatumGetObjectId(value))));
	return tuple;
}

static const char *
enum_label(HeapTuple tuple)
{
	return NameStr(((Form_pg_enum) GETSTRUCT(tuple))->enumlabel);
}

static int64
write_composite(JsonWriter *writer, Datum value)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(value);
	TupleDesc		desc;
	HeapTupleData	tuple;
	Datum		   *values;
	bool		   *nulls;
	int64			size = JSON_CONTAINER_SIZE;
	bool			first = true;

	desc = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(header),
								  HeapTupleHeaderGetTypMod(header));
	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = header;
	values = palloc(desc->natts * sizeof(Datum));
	nulls = palloc(desc->natts * sizeof(bool));
	heap_deform_tuple(&tuple, desc, values, nulls);

	json_writer_put_literal(writer, "{\"M\":{");
	for (int i = 0; i < desc->natts && writer->failure == NULL; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);
		const char		 *name = NameStr(attribute->attname);

		CHECK_FOR_INTERRUPTS();
		if (attribute->attisdropped)
			continue;
		if (!first)
			json_writer_put_literal(writer, ",");
		first = false;
		json_writer_put_string(writer, name, strlen(name));
		json_writer_put_literal(writer, ":");
		size += JSON_ELEMENT_SIZE +
				json_writer_utf8_length(name, strlen(name));
		if (nulls[i])
			size += json_writer_write_null(writer);
		else
			size += write_any_value(writer, attribute->atttypid, values[i]);
	}
	json_writer_put_literal(writer, "}}");

	ReleaseTupleDesc(desc);
	return size;
}

static int64
write_any_array(JsonWriter *writer, Datum value)
{
	ArrayType	   *array = DatumGetArrayTypeP(value);
	TypeCacheEntry *element = lookup_type_cache(ARR_ELEMTYPE(array), 0);

	return json_container_write_array(writer, array, element->typlen,
									  element->typbyval, element->typalign,
									  write_any_value);
}

/*
 * Writes the attribute value of a non-null value of any type, under the
 * settings that output_needs asks for.  Leaves garbage in the current memory
 * context.
 */
static int64
write_any_value(JsonWriter *writer, Oid type, Datum value)
{
	TypeCacheEntry *entry = base_type(type);
	const char	   *text;
	HeapTuple		tuple;
	int64			size = 0;

	check_stack_depth();

	switch (type_kind(entry))
	{
		case KIND_RAW:
			size = typed_json_write(writer, entry->type_id,
									unpack_value(entry, value));
			break;
		case KIND_ENUM:
			tuple = enum_tuple(value);
			text = enum_label(tuple);
			size = json_writer_write_text(writer, text, strlen(text));
			ReleaseSysCache(tuple);
			break;
		case KIND_COMPOSITE:
			size = write_composite(writer, value);
			break;
		case KIND_ARRAY:
			size = write_any_array(writer, value);
			break;
		case KIND_TEXT:
			text = output_text(entry->type_id, value);
			size = json_writer_write_text(writer, text, strlen(text));
			break;
	}
	return size;
}

static struct varlena *
make_text(MemoryContext context, char kind, const char *text)
{
	Size  length = strlen(text);
	char *result = MemoryContextAlloc(context, VARHDRSZ + 1 + length);

	SET_VARSIZE(result, VARHDRSZ + 1 + length);
	result[VARHDRSZ] = kind;
	memcpy(result + VARHDRSZ + 1, text, length);
	return (struct varlena *) result;
}

static struct varlena *
make_json(MemoryContext context, int64 size, const StringInfoData *json,
		  const char *text)
{
	Size   text_length = strlen(text);
	uint32 json_length = json->len;
	char  *result;
	char  *out;
	Size   length;

	length = VARHDRSZ + JSON_HEADER_SIZE + json_length + text_length;
	if (!AllocSizeIsValid(length))
		return make_text(context, RENDERED_MARKER, "value too large");

	result = MemoryContextAlloc(context, length);
	SET_VARSIZE(result, length);
	out = result + VARHDRSZ;
	*out++ = RENDERED_JSON;
	memcpy(out, &size, sizeof(size));
	out += sizeof(size);
	memcpy(out, &json_length, sizeof(json_length));
	out += sizeof(json_length);
	memcpy(out, json->data, json_length);
	memcpy(out + json_length, text, text_length);
	return (struct varlena *) result;
}

/* Renders a value in a memory context; its settings have been set. */
static struct varlena *
render_value(const TypeCacheEntry *entry, Datum value, MemoryContext context)
{
	JsonWriter	   writer;
	StringInfoData json;
	int64		   size;

	if (type_kind(entry) == KIND_TEXT)
		return make_text(context, RENDERED_TEXT,
						 output_text(entry->type_id, value));

	initStringInfo(&json);
	json_writer_start(&writer, &json, MAX_JSON_LENGTH);
	size = write_any_value(&writer, entry->type_id, value);
	if (writer.failure != NULL)
		return make_text(context, RENDERED_MARKER, writer.failure);
	return make_json(context, size, &json,
					 output_text(entry->type_id, value));
}

/* The same under fixed formats alone, without fixed_settings_begin */
static struct varlena *
render_with_formats(const TypeCacheEntry *entry, Datum value,
					MemoryContext context)
{
	struct varlena *volatile result = NULL;
	FixedSettings saved;

	fixed_settings_set_formats(&saved);
	PG_TRY();
	{
		result = render_value(entry, value, context);
	}
	PG_FINALLY();
	{
		fixed_settings_restore_formats(&saved);
	}
	PG_END_TRY();
	return result;
}

/* A value that is to be rendered, and what has become of it */
typedef struct Rendering
{
	const TypeCacheEntry *entry;
	Datum				  value;
	OutputNeeds			  needs;
	MemoryContext		  context; /* of the result */
	struct varlena		 *result;
} Rendering;

/* Renders a value under the settings that its type needs. */
static void
render(void *argument)
{
	Rendering *rendering = argument;

	if (rendering->needs == OUTPUT_NEEDS_SETTINGS)
	{
		int nest_level = fixed_settings_begin();

		rendering->result = render_value(rendering->entry, rendering->value,
										 rendering->context);
		fixed_settings_end(nest_level);
	}
	else
		rendering->result = render_with_formats(rendering->entry, rendering->value,
												rendering->context);
}

/* May the text of a value be longer than a string may be? */
static bool
may_be_too_long(const TypeCacheEntry *entry, Datum value, int levels)
{
	return entry->typlen == -1 &&
		   VARSIZE_ANY(DatumGetPointer(value)) > SAFE_SIZE >> Min(levels, SAFE_LEVELS);
}

struct varlena *
rendered_value_make(Oid type, Datum value)
{
	TypeCacheEntry *entry = base_type(type);
	Rendering		rendering = {.entry = entry, .context = CurrentMemoryContext};
	MemoryContext	temporary;
	int				levels;

	if (entry->typtype == TYPTYPE_ENUM)
	{
		HeapTuple tuple = enum_tuple(value);

		rendering.result = make_text(rendering.context, RENDERED_TEXT,
									 enum_label(tuple));
		ReleaseSysCache(tuple);
		return rendering.result;
	}

	rendering.needs = output_needs(entry->type_id, &levels);
	temporary = AllocSetContextCreate(rendering.context, "rendered value",
									  ALLOCSET_SMALL_SIZES);
	MemoryContextSwitchTo(temporary);
	rendering.value = unpack_value(entry, value);
	if (!may_be_too_long(entry, rendering.value, levels))
		render(&rendering);
	else if (!guarded_call(render, &rendering, NULL))
		rendering.result = make_text(rendering.context, RENDERED_MARKER,
									 "value too large");

	MemoryContextSwitchTo(rendering.context);
	MemoryContextDelete(temporary);
	return rendering.result;
}

struct varlena *
rendered_value_make_marker(const char *reason)
{
	return make_text(CurrentMemoryContext, RENDERED_MARKER, reason);
}

int64
rendered_value_append_json(StringInfo buf, Datum rendered, Size limit)
{
	struct varlena *packed = PG_DETOAST_DATUM_PACKED(rendered);
	const char	   *data = VARDATA_ANY(packed);
	Size			length = VARSIZE_ANY_EXHDR(packed);
	JsonWriter		writer;
	int				start = buf->len;
	uint32			json_length;
	int64			size = 0;

	json_writer_start(&writer, buf, limit);
	if (length >= 1 && data[0] == RENDERED_TEXT)
		size = json_writer_write_text(&writer, data + 1, length - 1);
	else if (length >= 1 && data[0] == RENDERED_MARKER)
		writer.failure = pnstrdup(data + 1, length - 1);
	else if (length >= JSON_HEADER_SIZE && data[0] == RENDERED_JSON)
	{
		memcpy(&size, data + 1, sizeof(size));
		memcpy(&json_length, data + 1 + sizeof(size), sizeof(json_length));
		if (json_length > length - JSON_HEADER_SIZE)
			writer.failure = "malformed rendered value";
		else if (setting_dynamodb_numbers)
			size += json_writer_put_dynamodb(&writer, data + JSON_HEADER_SIZE,
											 json_length);
		else
			json_writer_put(&writer, data + JSON_HEADER_SIZE, json_length);
	}
	else
		writer.failure = "malformed rendered value";
	size = json_writer_finish(&writer, start, size);

	if (packed != (struct varlena *) DatumGetPointer(rendered))
		pfree(packed);
	return size;
}

char *
rendered_value_text(Datum rendered)
{
	struct varlena *packed = PG_DETOAST_DATUM_PACKED(rendered);
	const char	   *data = VARDATA_ANY(packed);
	Size			length = VARSIZE_ANY_EXHDR(packed);
	uint32			json_length;
	char		   *text = NULL;

	if (length >= 1 && data[0] == RENDERED_TEXT)
		text = pnstrdup(data + 1, length - 1);
	else if (length >= JSON_HEADER_SIZE && data[0] == RENDERED_JSON)
	{
		memcpy(&json_length, data + 1 + sizeof(int64), sizeof(json_length));
		if (json_length > length - JSON_HEADER_SIZE)
			elog(ERROR, "malformed rendered value");
		text = pnstrdup(data + JSON_HEADER_SIZE + json_length,
						length - JSON_HEADER_SIZE - json_length);
	}
	else if (length < 1 || data[0] != RENDERED_MARKER)
		elog(ERROR, "malformed rendered value");

	if (packed != (struct varlena *) DatumGetPointer(rendered))
		pfree(packed);
	return text;
}
