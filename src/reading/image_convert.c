/*
 * image_convert.c
 *	  From an image to a row of the type that the table has now.
 *
 * Columns are matched by attribute number.  If the column still has the type
 * that a value was stored with, the value is taken as it is.  A value that was
 * rendered at capture goes through the input function of the present type.  If
 * the type has changed, the value is converted by the assignment cast.
 *
 * The last two may fail.  Such a failure costs one value and not the page: the
 * value is null, and a warning says so once for each column.
 *
 * Casts, input functions and domain constraints may be code of any role, and
 * the caller chooses the code by naming the row type.  So the code never runs
 * as a role that the caller could not become.  If the caller may become the
 * owner of the row type's table (a superuser may), the code runs as the owner:
 * it belongs to the owner in general, and a superuser does not run other
 * roles' code as superuser.  Else it runs as the caller, as it would in a
 * query that the caller writes.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "access/tupdesc_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "parser/parse_coerce.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

#include "base/compat.h"
#include "base/fixed_settings.h"
#include "base/guarded_call.h"
#include "reading/image_convert.h"
#include "shard/side_table.h"
#include "typed_json/rendered_value.h"

/*
 * A value with which a row would become larger than this is null: one datum
 * has to hold the row.
 */
#define ROW_SIZE_LIMIT ((Size) 480 * 1024 * 1024)

typedef enum ConversionKind
{
	CONVERT_NOTHING, /* the column was dropped since: null */
	CONVERT_MISSING, /* the column is younger: its missing value */
	CONVERT_AS_IS,
	CONVERT_INPUT, /* by the input function, from text */
	CONVERT_CAST,  /* by a cast function */
	CONVERT_IMPOSSIBLE
} ConversionKind;

/* How the values of one column are converted */
typedef struct ColumnConversion
{
	ConversionKind kind;
	int			   source; /* index of the descriptor's column */
	int16		   source_length;
	bool		   is_rendered;
	Oid			   source_output; /* of a raw value, to convert it by text */
	FmgrInfo	   function;
	Oid			   type_io_param;
	int32		   typmod; /* of the base type */
	int			   cast_arguments;
	FmgrInfo	   length_function;	 /* fits a value to typmod */
	int			   length_arguments; /* 0: nothing to fit */
	Oid			   domain;			 /* its constraints are checked */
	void		  *domain_cache;
	bool		   has_warned;
} ColumnConversion;

/* How images of one descriptor are converted */
typedef struct ConversionPlan
{
	int64			 descriptor_id;
	ColumnConversion columns[FLEXIBLE_ARRAY_MEMBER];
} ConversionPlan;

struct ImageConverter
{
	TupleDesc	  target;
	Oid			  role; /* casts and domains run as this role */
	MemoryContext context;
	List		 *plans; /* of ConversionPlan * */
	Datum		 *values;
	bool		 *nulls;
};

ImageConverter *
image_converter_create(TupleDesc target, Oid owner)
{
	ImageConverter *converter = palloc0(sizeof(ImageConverter));

	converter->target = target;
	converter->role = compat_may_set_role(GetUserId(), owner) ? owner : GetUserId();
	converter->context = CurrentMemoryContext;
	converter->values = palloc(target->natts * sizeof(Datum));
	converter->nulls = palloc(target->natts * sizeof(bool));
	return converter;
}

static void
use_input_function(ColumnConversion *conversion, Oid target_type)
{
	Oid function;

	getTypeInputInfo(target_type, &function, &conversion->type_io_param);
	fmgr_info(function, &conversion->function);
	conversion->kind = CONVERT_INPUT;
}

static void
convert_by_text(ColumnConversion *conversion, Oid source_type, Oid target_type)
{
	bool is_varlena;

	getTypeOutputInfo(source_type, &conversion->source_output, &is_varlena);
	use_input_function(conversion, target_type);
}

/*
 * Plans what an assignment does after the cast: fit to typmod, check domain.
 */
static void
plan_constraints(ColumnConversion *conversion, const RowColumn *source,
				 Form_pg_attribute target, Oid base_type)
{
	Oid function;

	if (conversion->kind != CONVERT_AS_IS && conversion->kind != CONVERT_CAST)
		return;
	if (conversion->typmod >= 0 && conversion->cast_arguments < 2 &&
		(source->type != base_type || source->typmod != conversion->typmod))
	{
		switch (find_typmod_coercion_function(base_type, &function))
		{
			case COERCION_PATH_FUNC:
				fmgr_info(function, &conversion->length_function);
				conversion->length_arguments = conversion->length_function.fn_nargs;
				break;
			case COERCION_PATH_ARRAYCOERCE:
				convert_by_text(conversion, source->type, target->atttypid);
				return;
			default:
				break;
		}
	}
	if (base_type != target->atttypid &&
		compat_domain_has_constraints(target->atttypid))
		conversion->domain = target->atttypid;
}

/* Plans the conversion of a value that was stored raw. */
static void
plan_raw(ColumnConversion *conversion, const RowColumn *source,
		 Form_pg_attribute target, Oid base_type)
{
	Oid source_type = source->type;
	Oid cast;

	if (base_type == source_type)
	{
		conversion->kind = CONVERT_AS_IS;
		return;
	}
	switch (find_coercion_pathway(base_type, source_type,
								  COERCION_ASSIGNMENT, &cast))
	{
		case COERCION_PATH_RELABELTYPE:
			conversion->kind = CONVERT_AS_IS;
			break;
		case COERCION_PATH_FUNC:
			fmgr_info(cast, &conversion->function);
			conversion->cast_arguments = conversion->function.fn_nargs;
			conversion->kind = CONVERT_CAST;
			break;
		case COERCION_PATH_COERCEVIAIO:
		case COERCION_PATH_ARRAYCOERCE:
			convert_by_text(conversion, source_type, target->atttypid);
			break;
		default:
			conversion->kind = CONVERT_IMPOSSIBLE;
	}
}

/* A query would ask for the right to call a cast's function; so do we. */
static void
check_cast_function(ColumnConversion *conversion, Oid role)
{
	if (conversion->kind == CONVERT_CAST &&
		compat_function_aclcheck(conversion->function.fn_oid, role,
								 ACL_EXECUTE) != ACLCHECK_OK)
		conversion->kind = CONVERT_IMPOSSIBLE;
}

static void
plan_column(const RowDescriptor *descriptor, Form_pg_attribute target,
			Oid role, ColumnConversion *conversion)
{
	Oid base_type;

	conversion->kind = CONVERT_NOTHING;
	if (target->attisdropped)
		return;
	conversion->typmod = target->atttypmod;
	base_type = getBaseTypeAndTypmod(target->atttypid, &conversion->typmod);

	conversion->kind = CONVERT_MISSING;
	for (int i = 0; i < descriptor->natts; i++)
	{
		const RowColumn *column = &descriptor->columns[i];

		if (column->root_attnum != target->attnum)
			continue;
		conversion->source = i;
		conversion->source_length = TupleDescAttr(descriptor->stored_desc, i)->attlen;
		conversion->is_rendered = column->form == COLUMN_RENDERED;
		if (conversion->is_rendered)
			use_input_function(conversion, target->atttypid);
		else
		{
			plan_raw(conversion, column, target, base_type);
			check_cast_function(conversion, role);
			plan_constraints(conversion, column, target, base_type);
		}
		break;
	}
}

/* Returns the plan for images of a descriptor; makes it at the first one. */
static ConversionPlan *
get_plan(ImageConverter *converter, const RowDescriptor *descriptor)
{
	ConversionPlan *plan;
	MemoryContext	oldcontext;
	ListCell	   *lc;

	foreach (lc, converter->plans)
	{
		plan = lfirst(lc);
		if (plan->descriptor_id == descriptor->id)
			return plan;
	}

	oldcontext = MemoryContextSwitchTo(converter->context);
	plan = palloc0(offsetof(ConversionPlan, columns) +
				   converter->target->natts * sizeof(ColumnConversion));
	plan->descriptor_id = descriptor->id;
	for (int i = 0; i < converter->target->natts; i++)
		plan_column(descriptor, TupleDescAttr(converter->target, i),
					converter->role, &plan->columns[i]);
	converter->plans = lappend(converter->plans, plan);
	MemoryContextSwitchTo(oldcontext);
	return plan;
}

/* Calls a cast or length function with as many arguments as it has. */
static Datum
call_cast(FmgrInfo *function, int arguments, Datum value, int32 typmod)
{
	if (arguments == 1)
		return FunctionCall1(function, value);
	if (arguments == 2)
		return FunctionCall2(function, value, Int32GetDatum(typmod));
	return FunctionCall3(function, value, Int32GetDatum(typmod),
						 BoolGetDatum(false));
}

/* Converts a value, and checks it against the domain; raises errors. */
static Datum
call_conversion(ColumnConversion *conversion, Datum value,
				MemoryContext context)
{
	char *text;

	if (conversion->kind != CONVERT_INPUT)
	{
		if (conversion->kind == CONVERT_CAST)
			value = call_cast(&conversion->function, conversion->cast_arguments,
							  value, conversion->typmod);
		if (conversion->length_arguments > 0)
			value = call_cast(&conversion->length_function,
							  conversion->length_arguments, value,
							  conversion->typmod);
		if (OidIsValid(conversion->domain))
			domain_check(value, false, conversion->domain,
						 &conversion->domain_cache, context);
		return value;
	}

	if (conversion->is_rendered)
		text = rendered_value_text(value);
	else
		text = OidOutputFunctionCall(conversion->source_output, value);
	if (text == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("the value was not kept")));
	return InputFunctionCall(&conversion->function, text,
							 conversion->type_io_param, conversion->typmod);
}

typedef struct ConversionCall
{
	Oid				  role;
	ColumnConversion *conversion;
	Datum			  value;
	MemoryContext	  context;
} ConversionCall;

/*
 * Calls call_conversion as the converter's role, and under fixed settings, so
 * that the result does not depend on the session.
 */
static void
run_conversion(void *argument)
{
	ConversionCall *call = argument;
	Oid				save_userid;
	int				save_sec_context;
	int				guc_level = fixed_settings_begin();

	GetUserIdAndSecContext(&save_userid, &save_sec_context);
	SetUserIdAndSecContext(call->role,
						   save_sec_context | SECURITY_RESTRICTED_OPERATION);
	call->value = call_conversion(call->conversion, call->value, call->context);
	fixed_settings_end(guc_level);
	SetUserIdAndSecContext(save_userid, save_sec_context);
}

/* Converts a value; returns false if that fails. */
static bool
try_conversion(Oid role, ColumnConversion *conversion, Datum *value,
			   MemoryContext context)
{
	ConversionCall call = {role, conversion, *value, context};

	if (!guarded_call(run_conversion, &call, NULL))
		return false;
	*value = call.value;
	return true;
}

static void
warn_of_column(ImageConverter *converter, ColumnConversion *conversion, int column,
			   const char *reason)
{
	Form_pg_attribute att = TupleDescAttr(converter->target, column);

	if (conversion->has_warned)
		return;
	conversion->has_warned = true;
	ereport(WARNING,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("column \"%s\" of an old record %s, null instead",
					NameStr(att->attname), reason)));
}

/* Does a conversion call a function? */
static bool
needs_call(const ColumnConversion *conversion)
{
	return conversion->kind != CONVERT_AS_IS ||
		   conversion->length_arguments > 0 || OidIsValid(conversion->domain);
}

/* Finds the value of one column of the row. */
static Datum
convert_column(ImageConverter *converter, RecordDecoder *decoder,
			   ColumnConversion *conversion, int column,
			   const DecodedImage *image, Size *row_size, bool *isnull)
{
	Datum value;

	*isnull = true;
	switch (conversion->kind)
	{
		case CONVERT_NOTHING:
			return (Datum) 0;
		case CONVERT_MISSING:
			return getmissingattr(converter->target, column + 1, isnull);
		default:
			break;
	}
	if (image->nulls[conversion->source])
		return (Datum) 0;

	value = image->values[conversion->source];
	if (conversion->source_length == -1)
	{
		Pointer pointer = DatumGetPointer(value);
		Size	size = VARATT_IS_EXTERNAL(pointer) ?
						   side_table_reference_raw_size(value) :
						   VARSIZE_ANY(pointer);

		if (*row_size + size > ROW_SIZE_LIMIT)
		{
			warn_of_column(converter, conversion, column, "is too large for a row");
			return (Datum) 0;
		}
		*row_size += size;
		value = record_decoder_value(decoder, value);
	}

	if (conversion->kind == CONVERT_IMPOSSIBLE ||
		(needs_call(conversion) &&
		 !try_conversion(converter->role, conversion, &value,
						 converter->context)))
	{
		warn_of_column(converter, conversion, column,
					   psprintf("cannot be converted to type %s",
								format_type_be(TupleDescAttr(converter->target, column)->atttypid)));
		return (Datum) 0;
	}
	*isnull = false;
	return value;
}

Datum
image_convert(ImageConverter *converter, RecordDecoder *decoder,
			  const DecodedImage *image)
{
	ConversionPlan *plan = get_plan(converter, decoder->descriptor);
	Size			row_size = 0;

	for (int i = 0; i < converter->target->natts; i++)
		converter->values[i] = convert_column(converter, decoder,
											  &plan->columns[i], i, image,
											  &row_size, &converter->nulls[i]);
	return HeapTupleGetDatum(heap_form_tuple(converter->target, converter->values,
											 converter->nulls));
}
