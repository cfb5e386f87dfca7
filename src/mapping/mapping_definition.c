/*
 * mapping_definition.c
 *	  Mappings as a dump carries them.
 *
 * The definitions of a stream's mappings stand beside the stream's own one in
 * the arguments of the capture trigger (stream_definition.c), as one
 * "mapping={…}" for each mapping: all parameters, and the role by its name.  A
 * restore makes mappings of the new stream out of them, which start at its
 * beginning and are Disabled.
 *
 * The role that restores a dump may be another one than the role that made the
 * dump, and the text may have been changed in between.  Therefore a mapping is
 * given to the role that the text names only if the current user may become
 * that role, and the parameters are checked as those of any new mapping are.
 *
 * The names of functions are not checked: a restore may make the functions
 * later, and each batch looks the handler up again.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "mapping/mapping_catalog.h"
#include "mapping/mapping_change.h"
#include "mapping/mapping_definition.h"
#include "mapping/mapping_function.h"
#include "mapping/mapping_origin.h"
#include "mapping/mapping_params.h"
#include "registry/id_sequence.h"

static void
append_name(StringInfo json, const char *name)
{
	appendStringInfo(json, "%s\"%s\": ", json->len > 1 ? ", " : "", name);
}

static void
append_text(StringInfo json, const char *name, const char *value)
{
	if (value == NULL)
		return;
	append_name(json, name);
	escape_json(json, value);
}

static void
append_integer(StringInfo json, const char *name, int64 value)
{
	append_name(json, name);
	appendStringInfo(json, INT64_FORMAT, value);
}

static void
append_boolean(StringInfo json, const char *name, bool value)
{
	append_name(json, name);
	appendStringInfoString(json, value ? "true" : "false");
}

char *
mapping_definition(const MappingInfo *mapping)
{
	char		  *role = GetUserNameFromId(mapping->role_id, true);
	StringInfoData json;

	if (role == NULL)
		return NULL;
	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	append_text(&json, "uuid", mapping_uuid_text(mapping));
	append_text(&json, "role", role);
	append_text(&json, "function_name", mapping->function_name);
	append_text(&json, "starting_position", mapping->starting_position);
	append_integer(&json, "batch_size", mapping->batch_size);
	append_integer(&json, "maximum_batching_window",
				   mapping->maximum_batching_window_usec / USECS_PER_SEC);
	append_integer(&json, "parallelization_factor",
				   mapping->parallelization_factor);
	append_integer(&json, "maximum_record_age",
				   mapping->maximum_record_age_usec < 0 ?
					   -1 :
					   mapping->maximum_record_age_usec / USECS_PER_SEC);
	append_integer(&json, "maximum_retry_attempts",
				   mapping->maximum_retry_attempts);
	append_boolean(&json, "bisect_batch_on_function_error",
				   mapping->bisect_batch_on_function_error);
	append_text(&json, "on_failure", mapping->on_failure);
	append_integer(&json, "tumbling_window",
				   mapping->tumbling_window_usec / USECS_PER_SEC);
	append_boolean(&json, "report_batch_item_failures",
				   mapping->report_batch_item_failures);
	if (mapping->filter_criteria != NULL)
	{
		append_name(&json, "filter_criteria");
		(void) JsonbToCString(&json, &mapping->filter_criteria->root, -1);
	}
	if (mapping->counts_events)
		append_boolean(&json, "event_count", true);
	if (mapping->tags != NULL)
	{
		append_name(&json, "tags");
		(void) JsonbToCString(&json, &mapping->tags->root, -1);
	}
	appendStringInfoChar(&json, '}');
	return json.data;
}

/* Raises the error for a member that is missing or has a wrong value. */
static void
raise_bad_member(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("the definition of an event source mapping has no valid \"%s\"",
					name)));
}

/*
 * Finds a member; false if there is none.  Raises an error if it is not of
 * that type.
 */
static bool
find_typed_member(Jsonb *definition, const char *name, enum jbvType type,
				  JsonbValue *value)
{
	if (getKeyJsonValueFromContainer(&definition->root, name, strlen(name),
									 value) == NULL)
		return false;
	if (value->type != type)
		raise_bad_member(name);
	return true;
}

/* Returns a text, palloc'd, or NULL if there is none. */
static char *
text_member(Jsonb *definition, const char *name)
{
	JsonbValue value;

	if (!find_typed_member(definition, name, jbvString, &value))
		return NULL;
	return pnstrdup(value.val.string.val, value.val.string.len);
}

static char *
required_text_member(Jsonb *definition, const char *name)
{
	char *value = text_member(definition, name);

	if (value == NULL)
		raise_bad_member(name);
	return value;
}

/* Returns a number, of seconds or of something else. */
static int64
integer_member(Jsonb *definition, const char *name, int64 if_missing)
{
	JsonbValue value;
	int64	   number;

	if (!find_typed_member(definition, name, jbvNumeric, &value))
		return if_missing;
	number = DatumGetInt64(DirectFunctionCall1(numeric_int8,
											   NumericGetDatum(value.val.numeric)));
	/* A number of seconds must still fit when it is one of microseconds. */
	if (number < PG_INT32_MIN || number > PG_INT32_MAX)
		raise_bad_member(name);
	return number;
}

static bool
boolean_member(Jsonb *definition, const char *name)
{
	JsonbValue value;

	return find_typed_member(definition, name, jbvBool, &value) && value.val.boolean;
}

static void
set_params_from_definition(MappingInfo *mapping, Jsonb *definition)
{
	Jsonb	  *criteria = NULL;
	Jsonb	  *tags;
	JsonbValue value;

	mapping_params_defaults(mapping);
	mapping_params_set_batch_size(mapping, integer_member(definition, "batch_size",
														  mapping->batch_size));
	mapping_params_set_maximum_batching_window(mapping,
											   USECS_PER_SEC *
												   integer_member(definition, "maximum_batching_window", 0));
	mapping_params_set_parallelization_factor(mapping,
											  integer_member(definition, "parallelization_factor", 1));
	mapping_params_set_maximum_record_age(mapping,
										  USECS_PER_SEC *
											  integer_member(definition, "maximum_record_age", -1));
	mapping_params_set_maximum_retry_attempts(mapping,
											  integer_member(definition, "maximum_retry_attempts", -1));
	mapping_params_set_tumbling_window(mapping,
									   USECS_PER_SEC *
										   integer_member(definition, "tumbling_window", 0));
	mapping->bisect_batch_on_function_error =
		boolean_member(definition, "bisect_batch_on_function_error");
	mapping->report_batch_item_failures =
		boolean_member(definition, "report_batch_item_failures");
	mapping->on_failure = text_member(definition, "on_failure");
	mapping->counts_events = boolean_member(definition, "event_count");
	if (getKeyJsonValueFromContainer(&definition->root, "tags", strlen("tags"),
									 &value) != NULL)
	{
		tags = JsonbValueToJsonb(&value);
		if (!JB_ROOT_IS_OBJECT(tags))
			raise_bad_member("tags");
		mapping_params_set_tags(mapping, tags);
	}
	if (getKeyJsonValueFromContainer(&definition->root, "filter_criteria",
									 strlen("filter_criteria"), &value) != NULL)
	{
		criteria = JsonbValueToJsonb(&value);
		mapping_params_set_filter_criteria(mapping, criteria);
	}
}

/* Returns the uuid that the mapping had, or a new one if that is taken. */
static pg_uuid_t
choose_uuid(Jsonb *definition)
{
	char	  *text = text_member(definition, "uuid");
	pg_uuid_t *uuid = NULL;

	if (text != NULL)
		uuid = DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(text)));
	if (uuid == NULL || mapping_catalog_by_uuid(uuid) != NULL)
		uuid = DatumGetUUIDP(DirectFunctionCall1(gen_random_uuid, (Datum) 0));
	return *uuid;
}

/*
 * Returns the role that a definition names.  Warns and returns InvalidOid if
 * the current user could not make a mapping of that role.
 */
static Oid
find_role(Jsonb *definition, const char *function_name, const char *table_name)
{
	char *role = required_text_member(definition, "role");
	Oid	  role_id = get_role_oid(role, true);

	if (OidIsValid(role_id) && compat_may_set_role(GetUserId(), role_id))
		return role_id;
	ereport(WARNING,
			(errcode(ERRCODE_INVALID_ROLE_SPECIFICATION),
			 errmsg("the event source mapping of table \"%s\" to function %s is left out",
					table_name, function_name),
			 OidIsValid(role_id) ?
				 errdetail("It belongs to role \"%s\", which the current user cannot become.",
						   role) :
				 errdetail("It belongs to role \"%s\", which does not exist.",
						   role),
			 errhint("Make it anew with ddbstreams.create_event_source_mapping().")));
	return InvalidOid;
}

/* Parses a definition, whose function's name it returns, too. */
static Jsonb *
parse_definition(const char *text, char **function_name)
{
	Jsonb *definition =
		DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));

	if (!JB_ROOT_IS_OBJECT(definition))
		raise_bad_member("role");
	(void) required_text_member(definition, "role");
	*function_name =
		mapping_function_normal_name(required_text_member(definition, "function_name"));
	return definition;
}

bool
mapping_definition_may_wait(const char *text, const char *table_name)
{
	char  *function_name;
	Jsonb *definition = parse_definition(text, &function_name);

	return OidIsValid(find_role(definition, function_name, table_name));
}

void
mapping_definition_restore(const StreamInfo *stream, const char *text)
{
	MappingInfo *mapping = palloc0(sizeof(MappingInfo));
	Jsonb		*definition = parse_definition(text, &mapping->function_name);

	mapping->role_id = find_role(definition, mapping->function_name,
								 stream->table_name);
	if (!OidIsValid(mapping->role_id))
		return;

	mapping->stream_id = stream->stream_id;
	mapping->event_source_arn = stream->arn;
	mapping->starting_position = required_text_member(definition, "starting_position");
	mapping_change_check_starting_position(mapping);
	mapping_origin_set(&mapping->database_id, &mapping->server_id);
	mapping->created_at = mapping->last_modified = GetCurrentTimestamp();
	mapping->version = 1;
	mapping->change = "Creating";
	set_params_from_definition(mapping, definition);
	mapping->enabled = false;
	mapping->uuid = choose_uuid(definition);
	mapping->mapping_no = id_sequence_next();
	mapping_catalog_insert(mapping);
}
